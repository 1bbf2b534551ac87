"""A channel that exists nowhere: what docs/adding-a-channel.md asks for, and nothing more."""
