"""A local WeChat for Official Accounts: the API as an ASGI app, and followers who write to the callback."""
