"""A network of one machine: HTTP calls go straight to a simulator, and can break as real ones do."""

from __future__ import annotations

import httpx
from starlette.types import ASGIApp


class SimulatedNetwork(httpx.AsyncBaseTransport):
    """An httpx transport to an ASGI app; a connection the app drops is a ReadError to the caller."""

    def __init__(self, app: ASGIApp) -> None:
        self._inner = httpx.ASGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Pass the request on."""
        try:
            return await self._inner.handle_async_request(request)
        except ConnectionError as error:
            raise httpx.ReadError("the connection was lost", request=request) from error
