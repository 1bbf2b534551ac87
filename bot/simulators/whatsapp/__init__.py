"""A local WhatsApp Cloud API: the number as an ASGI app, and customers who write to it."""
