"""The terminal: talk to the bot as a shopper would, without a browser."""
