"""The human side: who may do what, what they do with conversations and tickets, what they read."""
