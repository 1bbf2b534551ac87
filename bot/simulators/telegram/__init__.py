"""A local Telegram: the Bot API as an ASGI app, and people who write to the bot's webhook."""
