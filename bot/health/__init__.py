"""How the house tells how it is: numbers, probes and logs."""
