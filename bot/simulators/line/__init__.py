"""A local LINE: the Messaging API as an ASGI app, and friends of the account who write to its webhook."""
