"""Ports for servers of the tests that are told where to listen before they do, and killed and started again there."""

from __future__ import annotations

import socket
from random import SystemRandom

_LOOPBACK = "127.0.0.1"
# Below those that Linux (from 32768) and macOS (from 49152) give to outgoing calls and to whoever asks for any port:
# nobody is given one of these by chance while its server is not there yet, or is away for a moment.
_FIRST, _LAST = 15_000, 31_999
# Not the usual dice: those of every worker of a test run fall alike.
_CHANCE = SystemRandom()


def free_port() -> int:
    """Find a port nobody listens on."""
    while True:
        port = _CHANCE.randint(_FIRST, _LAST)
        with socket.socket() as probe:
            try:
                probe.bind((_LOOPBACK, port))
            except OSError:
                continue
        return port
