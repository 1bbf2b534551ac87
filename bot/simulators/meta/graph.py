"""The Graph API's manners: token, proof of the app secret, errors, and faults to inject.

Source: https://developers.facebook.com/docs/graph-api/guides/error-handling
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold, is_form, read_form
from bot.simulators.meta.dashboard import Dashboard


class Declined(Exception):
    """An error of the Graph API."""

    def __init__(self, status: int, code: int, message: str, subcode: int = 0) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.subcode = subcode

    def answer(self, retry_after_s: int) -> Response:
        """Shape the error as the Graph API does."""
        error = {"message": f"(#{self.code}) {self.message}", "type": "OAuthException", "code": self.code}
        if self.subcode:
            error["error_subcode"] = self.subcode
        headers = {"Retry-After": str(retry_after_s)} if retry_after_s else None
        return JSONResponse({"error": error | {"fbtrace_id": "A0"}}, status_code=self.status, headers=headers)


@dataclass
class Knobs:
    """Faults to inject.

    ``delay_s`` before each answer; ``fail_next`` errors in order, ``retry_after_s`` with each; ``drop_next`` requests
    carried out that then lose their connection; ``token_expired``; ``window_closed`` whatever the clock says;
    ``pair_rate`` enforces one message in six seconds to one number; ``sends_only`` lets ``fail_next`` and ``drop_next``
    wait for a message to be sent.
    """

    delay_s: float = 0.0
    fail_next: list[Declined] = field(default_factory=list)
    retry_after_s: int = 0
    drop_next: int = 0
    token_expired: bool = False
    window_closed: bool = False
    pair_rate: bool = False
    sends_only: bool = False


@dataclass(frozen=True)
class MetaApp:
    """An app: what its calls and webhooks are signed with."""

    token: str
    secret: str
    verify_token: str


@dataclass(frozen=True)
class ShownMessage:
    """A message on a person's screen: ``buttons`` as (label, payload), shown as ``style``: keys, quick or list.

    ``media`` is the platform's id of the file that came with it.
    """

    id: str
    to: str
    text: str
    buttons: tuple[tuple[str, str], ...] = ()
    tag: str = ""
    style: str = "keys"
    media: str = ""


_NO_MESSAGE = frozenset({"status", "sender_action"})
"""What is posted where messages are, and is none: that one was read, and that one is being written."""

Take = Callable[[dict[str, Any]], dict[str, Any]]


class GraphServer:
    """An ASGI app that takes messages for one node; ``shown`` is what people see, ``hold`` the files it was given."""

    def __init__(self, app: MetaApp, node: str, clock: Clock, hold: MediaHold | None = None) -> None:
        self.app = app
        self.hold = hold or MediaHold()
        self.node = node
        self.clock = clock
        self.knobs = Knobs()
        self.shown: list[ShownMessage] = []
        self.calls = 0
        self.dashboard = Dashboard(self._admit_now, self._admit_app, _refusing)
        self._take: Take = lambda _body: {}
        self._edges: dict[str, Take] = {}
        routes = [
            *self.dashboard.routes(),
            Route("/{version}/{node}/{edge}", self._edge, methods=["POST"]),
            Route("/{version}/{node}", self._node),
        ]
        self._routes = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI app."""
        await self._routes(scope, receive, send)

    async def _edge(self, request: Request) -> Response:
        """Take what is posted: a message, or what else the node has."""
        self.calls += 1
        edge = request.path_params["edge"]
        take = self._take if edge == "messages" else self._edges.get(edge, _unknown_edge)
        sends = False
        try:
            await self._admit(request)
            body = await read_form(request) if is_form(request) else dict(await request.json())
            sends = edge == "messages" and not body.keys() & _NO_MESSAGE
            if sends and self.knobs.fail_next:
                raise self.knobs.fail_next.pop(0)
            result = take(body)
        except Declined as declined:
            return declined.answer(self.knobs.retry_after_s)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            return Declined(400, 100, f"Invalid parameter: {type(error).__name__}").answer(0)
        if self.knobs.drop_next and (sends or not self.knobs.sends_only):
            self.knobs.drop_next -= 1
            raise ConnectionResetError("the simulator drops the connection after accepting")
        return JSONResponse(result)

    async def _node(self, request: Request) -> Response:
        try:
            await self._admit(request)
        except Declined as declined:
            return declined.answer(0)
        number = {"id": self.node, "display_phone_number": "+1 555-0783", "verified_name": "Xiaoer Goods"}
        page = {"name": "Xiaoer Goods", "username": "xiaoer_goods"}
        return JSONResponse(number | page | self.dashboard.health(self.node))

    async def _admit(self, request: Request) -> None:
        if self.knobs.delay_s:
            await asyncio.sleep(self.knobs.delay_s)
        self._admit_now(request)

    def _admit_now(self, request: Request) -> None:
        proof = hmac.new(self.app.secret.encode(), self.app.token.encode(), hashlib.sha256).hexdigest()
        if self.knobs.token_expired or request.headers.get("authorization") != f"Bearer {self.app.token}":
            raise Declined(401, 190, "Error validating access token: session has expired", 463)
        if request.query_params.get("appsecret_proof") != proof:
            raise Declined(400, 100, "Invalid appsecret_proof provided in the API argument")
        if self.knobs.fail_next and not self.knobs.sends_only:
            raise self.knobs.fail_next.pop(0)
        if request.path_params.get("node", self.node) not in {self.node, self.dashboard.waba}:
            raise Declined(400, 100, "Object with this ID does not exist or cannot be loaded", 33)

    def _admit_app(self, request: Request) -> None:
        """Take the app's own token alone."""
        if request.headers.get("authorization") != f"Bearer {self.dashboard.app_id}|{self.app.secret}":
            raise Declined(400, 190, "Invalid OAuth access token signature.")


def _refusing(act: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    async def acting(request: Request) -> Response:
        try:
            return await act(request)
        except Declined as declined:
            return declined.answer(0)

    return acting


def _unknown_edge(body: dict[str, Any]) -> dict[str, Any]:
    """Refuse what the node does not have."""
    del body
    raise Declined(400, 100, "Unsupported post request")


def sign(secret: str, body: bytes) -> dict[str, str]:
    """Sign a webhook's body as Meta does."""
    return {"X-Hub-Signature-256": "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def short_text(holder: dict[str, Any], name: str, limit: int) -> str:
    """Give a text that is there and within its limit."""
    value = holder.get(name)
    if not isinstance(value, str) or not value.strip():
        raise Declined(400, 100, f"Invalid parameter: {name} is empty")
    units = len(value.encode("utf-16-le", "surrogatepass")) // 2
    if units > limit:
        raise Declined(400, 100, f"Invalid parameter: {name} has {units} characters, at most {limit}")
    return value


def only(holder: dict[str, Any], *known: str) -> None:
    """Refuse properties the reference does not have."""
    if unknown := set(holder) - set(known):
        raise Declined(400, 100, f"Invalid parameter: unexpected key {min(unknown)!r}")
