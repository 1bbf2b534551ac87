"""The web chat: a script tag on any page, a signed visitor token, POST in, server-sent events out."""
