"""A local WeCom with customer-service accounts: the API as an ASGI app, and customers who write."""
