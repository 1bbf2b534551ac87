"""One turn: take in, understand, decide, do, say, commit; then deliver."""
