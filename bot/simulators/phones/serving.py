"""Serving the platforms' APIs on a port of this machine, inside the program that asked for them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_POLL_S = 0.01
_CLOSE_WITHIN_S = 1


class _Protocol(HttpToolsProtocol):
    """Says nothing of connections that a simulator drops on purpose."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = logging.getLogger("bot.simulators")
        self.logger.setLevel(logging.CRITICAL + 1)


class _Server(uvicorn.Server):
    """Leaves the signals to the program around it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def serve(application: ASGIApp, listener: socket.socket) -> AsyncIterator[None]:
    """Serve ``application`` on a bound socket as long as the context is open."""
    config = uvicorn.Config(
        application,
        http=_Protocol,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_CLOSE_WITHIN_S,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not (server.started or running.done()):  # noqa: ASYNC110 - the server tells it in no other way
            await asyncio.sleep(_POLL_S)
        yield
    finally:
        server.should_exit = True
        await running
