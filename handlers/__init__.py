"""What we do: one module an intent family."""
