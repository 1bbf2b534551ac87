"""The wire from a simulated platform to the shop, with its faults; and the ear at the platform's own API."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass

import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bot.simulators.phones.journal import Journal, Said

SLOW_S = 3.0
HOLD_S = 3.0
"""How long the first of two calls is held back for the second, in seconds; WeChat hangs up after five."""
PLAIN = "plain"
"""The extension of a request that tells what a sealed body says."""

_PATIENCE_S = 30.0
_PROOFS_IN_HEAD = ("x-telegram-bot-api-secret-token", "x-hub-signature-256", "x-line-signature", "authorization")
_PROOFS_IN_QUERY = ("signature", "msg_signature")
_TOP_BYTES = 64 * 1024


@dataclass
class WireKnobs:
    """Faults of delivery: each call ``twice``, each ``slow``, each pair in the wrong order (``reorder``).

    ``forge`` spoils what proves that a call is the platform's; ``lost`` counts answers of the shop that get lost.
    """

    twice: bool = False
    slow: bool = False
    reorder: bool = False
    forge: bool = False
    lost: int = 0


class Wire(httpx.AsyncBaseTransport):
    """Carries a platform's webhook calls over real HTTP and notes each; only what is posted is tampered with."""

    def __init__(self, journal: Journal, inner: httpx.AsyncBaseTransport | None = None) -> None:
        self.knobs = WireKnobs()
        self.journal = journal
        self._inner = inner or httpx.AsyncHTTPTransport()
        self._held: asyncio.Event | None = None

    def client(self, address: str) -> httpx.AsyncClient:
        """Make a client of the shop at ``address``."""
        return httpx.AsyncClient(transport=self, base_url=address, timeout=_PATIENCE_S)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Carry a request, as the knobs have it."""
        if request.method != "POST":
            return await self._inner.handle_async_request(request)
        body = await request.aread()
        if self.knobs.slow:
            await asyncio.sleep(SLOW_S)
        if self.knobs.reorder:
            return await self._out_of_order(request, body)
        return await self._as_often(request, body)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()

    async def _out_of_order(self, request: httpx.Request, body: bytes) -> httpx.Response:
        """Hold the first of two calls back until the second is through, or nobody else came."""
        held, self._held = self._held, None
        if held is not None:
            answer = await self._as_often(request, body)
            held.set()
            return answer
        self._held = mine = asyncio.Event()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(mine.wait(), HOLD_S)
        if self._held is mine:
            self._held = None
        return await self._as_often(request, body)

    async def _as_often(self, request: httpx.Request, body: bytes) -> httpx.Response:
        answer = await self._once(request, body)
        if self.knobs.twice:
            await self._once(request, body)
        return answer

    async def _once(self, request: httpx.Request, body: bytes) -> httpx.Response:
        again = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        again.extensions = request.extensions
        if self.knobs.forge:
            _forge(again)
        began = time.monotonic()
        what = (request.method, request.url.path)
        plain = str(request.extensions.get(PLAIN, ""))
        try:
            answer = await self._inner.handle_async_request(again)
            content = await answer.aread()
            await answer.aclose()
        except BaseException as problem:
            self.journal.note("shop", what, type(problem).__name__, time.monotonic() - began, Said(body, b"", plain))
            if isinstance(problem, httpx.TransportError):
                # Nobody answered, which platforms take as an answer that is not 2xx: they call again.
                return httpx.Response(httpx.codes.GATEWAY_TIMEOUT)
            raise
        lost = self.knobs.lost > 0
        self.knobs.lost -= int(lost)
        outcome = "lost" if lost else str(answer.status_code)
        self.journal.note("shop", what, outcome, time.monotonic() - began, Said(body, content, plain))
        if lost:
            return httpx.Response(httpx.codes.GATEWAY_TIMEOUT)
        return httpx.Response(answer.status_code, headers=answer.headers, content=content)


def _forge(request: httpx.Request) -> None:
    """Spoil every proof a request carries: its end becomes another."""
    for name in _PROOFS_IN_HEAD:
        if name in request.headers:
            request.headers[name] = _other(request.headers[name])
    query = request.url.params
    for name in _PROOFS_IN_QUERY:
        if name in query:
            query = query.set(name, _other(query[name]))
    if query != request.url.params:
        request.url = request.url.copy_with(params=query)


def _other(proof: str) -> str:
    """Give a proof of the same length that proves nothing: its last ten characters are others."""
    return proof[:-10] + "".join("a" if each != "a" else "b" for each in proof[-10:])


class OverheardApi:
    """A platform's API as an ASGI app, each call noted; a connection it drops is cut in the middle of the answer."""

    def __init__(self, platform: ASGIApp, journal: Journal) -> None:
        self._platform = platform
        self._journal = journal

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI app."""
        body = await _whole(receive)
        answer: list[Message] = []

        async def listening() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def answering(message: Message) -> None:
            answer.append(message)

        # The platform does not know that it stands under a path of its own.
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        began = time.monotonic()
        try:
            await self._platform({**scope, "path": path, "root_path": ""}, listening, answering)
        except ConnectionError:
            # An answer without its promised body: the server behind this closes the connection.
            answer = [{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"64")]}]
            outcome = "dropped"
        else:
            outcome = str(answer[0]["status"])
        said = Said(body, b"".join(message.get("body", b"")[:_TOP_BYTES] for message in answer[1:]))
        self._journal.note("platform", (scope["method"], path), outcome, time.monotonic() - began, said)
        for message in answer:
            await send(message)


async def _whole(receive: Receive) -> bytes:
    """Read a request's body, also where the platform will not."""
    parts: list[bytes] = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)
