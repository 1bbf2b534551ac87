"""Telegram: updates by webhook, messages by the Bot API."""
