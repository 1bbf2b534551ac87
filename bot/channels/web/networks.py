"""From where a visitor writes: the address, and a name by which it can be counted and nobody can tell it."""

from __future__ import annotations

import hmac
from ipaddress import IPv6Address, ip_address, ip_network

from starlette.requests import Request


def address_of(request: Request) -> str:
    """Name the sender's network address; an IPv6 home is its /64, which one person owns whole.

    Behind a trusted proxy the server has put the address the proxy tells in the place of the proxy's own.
    """
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return host
    # A server that listens on IPv6 sees people with IPv4 as mapped into one network: they are not one home.
    return str(address.ipv4_mapped or ip_network((address, 64), strict=False))


class Networks:
    """Names addresses by a hash with a key of this account's own: the same everywhere, and never told back."""

    def __init__(self, secret: str, account: str) -> None:
        self._key = hmac.digest(secret.encode(), f"xiaoer.web.network.{account}".encode(), "sha256")

    def name(self, request: Request) -> str:
        """Name the network a request comes from; empty when the server does not know its address."""
        address = address_of(request)
        return hmac.digest(self._key, address.encode(), "sha256").hex() if address else ""
