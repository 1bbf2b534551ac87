"""A platform's call to our webhook over a line that it hangs up: what is said later reaches nobody, and we are told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from starlette.types import ASGIApp

_BROKEN = httpx.codes.BAD_GATEWAY


class HungUp(OSError):
    """There is nobody any more at the other end."""


class Calls(httpx.AsyncBaseTransport):
    """Calls the app that ``serving`` gives at that moment (None: nobody serves) and waits as long as the caller does.

    An answer is heard as soon as it is written, not when the app has finished, and either heard or not: whoever is
    first, the answer or the end of the caller's patience, decides.
    """

    def __init__(self, serving: Callable[[], ASGIApp | None]) -> None:
        self._serving = serving
        self._running: set[asyncio.Task[None]] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Call; ReadTimeout when the answer has not come in the request's time."""
        app, body = self._serving(), await request.aread()
        if app is None:
            return httpx.Response(_BROKEN, request=request)
        line = _Line(request, body)
        running = asyncio.create_task(self._serve(app, line))
        self._running.add(running)
        running.add_done_callback(self._running.discard)
        return await line.wait()

    async def cut(self) -> None:
        """End everything at once, as a killed process does; open lines are a broken gateway's."""
        running = set(self._running)
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def finish(self) -> None:
        """Wait until the app has finished what it does after its answers."""
        await asyncio.gather(*self._running)

    async def _serve(self, app: ASGIApp, line: _Line) -> None:
        try:
            # What an app says into a dead line is lost, and no fault of its.
            with contextlib.suppress(HungUp):
                await app(line.scope(), line.receive, line.send)
        finally:
            line.end(httpx.Response(_BROKEN, request=line.request))


class _Line:
    """One call."""

    def __init__(self, request: httpx.Request, body: bytes) -> None:
        self.request = request
        self._bodies = [body]
        self._status, self._headers, self._said = 0, list[tuple[bytes, bytes]](), b""
        loop = asyncio.get_running_loop()
        self._outcome: asyncio.Future[httpx.Response | None] = loop.create_future()
        patience = request.extensions.get("timeout", {}).get("read")
        if patience is not None:
            loop.call_later(patience, self.end, None)

    async def wait(self) -> httpx.Response:
        """Wait for the answer or the end of patience."""
        answer = await asyncio.shield(self._outcome)
        if answer is None:
            raise httpx.ReadTimeout("the caller has hung up", request=self.request)
        return answer

    def end(self, outcome: httpx.Response | None) -> None:
        """Decide, unless it is decided."""
        if not self._outcome.done():
            self._outcome.set_result(outcome)

    def scope(self) -> dict[str, Any]:
        """Describe the call to the app."""
        url = self.request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self.request.method,
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path,
            "root_path": "",
            "query_string": url.query,
            "headers": [(name.lower(), value) for name, value in self.request.headers.raw],
            "client": ("127.0.0.1", 1234),
            "server": (url.host, 443),
        }

    async def receive(self) -> Mapping[str, Any]:
        """Give the body, then the end of the line."""
        if self._bodies:
            return {"type": "http.request", "body": self._bodies.pop(), "more_body": False}
        await asyncio.shield(self._outcome)
        return {"type": "http.disconnect"}

    async def send(self, message: Mapping[str, Any]) -> None:
        """Take what the app says; HungUp once the caller has hung up."""
        if self._outcome.done():
            raise HungUp("the caller has hung up")
        if message["type"] == "http.response.start":
            self._status, self._headers = message["status"], list(message["headers"])
            return
        self._said += message.get("body", b"")
        if not message.get("more_body", False):
            self.end(httpx.Response(self._status, headers=self._headers, content=self._said, request=self.request))
