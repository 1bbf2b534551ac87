"""Dialogues through the real house; see README.md for their format."""
