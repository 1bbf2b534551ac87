"""The second engine: Rasa 3.6, in an environment of its own, spoken to over its HTTP API."""
