"""What we say: templates by locale and the renderer."""
