"""How the parts are put together, by room; only ``bot.app`` uses this."""
