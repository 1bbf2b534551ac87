"""The renderer and the texts."""
