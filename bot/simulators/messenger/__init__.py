"""A local Messenger Platform, for a Page or an Instagram account: the Send API, and people who write to it."""
