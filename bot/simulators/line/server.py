"""The Messaging API as far as a shop needs it, stricter than the real one.

Source: https://developers.line.biz/en/reference/messaging-api/
"""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.domain.clock import Clock
from bot.simulators.line.messages import Invalid, ShownMessage, read_messages
from bot.simulators.typing_shown import TypingShown

REPLY_TOKEN_LIFE = timedelta(minutes=1)
RETRY_KEY_LIFE = timedelta(hours=24)


@dataclass
class Knobs:
    """Faults to inject.

    ``delay_s`` before each answer; ``fail_next`` (status, message) answers in order; ``retry_after_s`` goes with 429;
    ``drop_next`` requests carried out that then lose their connection; ``token_expired``; ``monthly_limit`` of pushes;
    ``window_closed`` makes every reply token count as expired; ``sends_only`` lets ``fail_next`` and ``drop_next`` wait
    for a message to be sent.
    """

    delay_s: float = 0.0
    fail_next: list[tuple[int, str]] = field(default_factory=list)
    retry_after_s: int = 0
    drop_next: int = 0
    token_expired: bool = False
    monthly_limit: int = 10_000
    window_closed: bool = False
    sends_only: bool = False


class Declined(Exception):
    """An answer that is no 2xx."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Shown:
    """A message on a friend's screen; ``billed`` when it was pushed."""

    to: str
    message: ShownMessage
    billed: bool


class LineServer:
    """An ASGI app for one account; ``shown`` is what friends see, ``webhook`` what the account registered.

    What is sent to ``blocked`` friends is taken, shown to nobody and not counted.
    Source: https://developers.line.biz/en/docs/messaging-api/sending-messages/
    """

    def __init__(self, access_token: str, clock: Clock) -> None:
        self.access_token = access_token
        self.clock = clock
        self.knobs = Knobs()
        self.friends: set[str] = set()
        self.blocked: set[str] = set()
        self.shown: list[Shown] = []
        self.typing = TypingShown(clock, lasts_s=20)
        self.calls = self._taken = 0
        self.webhook: dict[str, Any] = {"endpoint": "", "active": False}
        self.trial: dict[str, Any] = {"success": True, "statusCode": 200, "reason": "OK", "detail": "200"}
        self._reply_tokens: dict[str, tuple[str, datetime]] = {}
        self._retry_keys: dict[str, datetime] = {}
        routes = [
            Route("/v2/bot/message/reply", self._reply, methods=["POST"]),
            Route("/v2/bot/message/push", self._push, methods=["POST"]),
            Route("/v2/bot/chat/loading/start", self._loading, methods=["POST"]),
            Route("/v2/bot/info", self._info),
            Route("/v2/bot/channel/webhook/endpoint", self._webhook, methods=["GET", "PUT"]),
            Route("/v2/bot/channel/webhook/test", self._try, methods=["POST"]),
        ]
        self._app = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI app."""
        await self._app(scope, receive, send)

    def issue_reply_token(self, chat: str) -> str:
        """Make the token that answers one event."""
        token = secrets.token_hex(16)
        self._reply_tokens[token] = (chat, self.clock.now())
        return token

    async def _reply(self, request: Request) -> Response:
        return await self._carry_out(request, self._replied)

    async def _push(self, request: Request) -> Response:
        return await self._carry_out(request, self._pushed)

    async def _loading(self, request: Request) -> Response:
        return await self._carry_out(request, self._show_loading, status=202)

    async def _info(self, request: Request) -> Response:
        return await self._carry_out(request, lambda _request, _body: self._about())

    async def _webhook(self, request: Request) -> Response:
        return await self._carry_out(request, self._webhook_endpoint)

    async def _try(self, request: Request) -> Response:
        return await self._carry_out(request, lambda _request, _body: dict(self.trial))

    async def _carry_out(self, request: Request, act: Any, status: int = 200) -> Response:
        self.calls += 1
        spoilt = not self.knobs.sends_only or request.url.path.startswith("/v2/bot/message/")
        try:
            await self._admit(request, spoilt=spoilt)
            result = act(request, await request.json() if request.method != "GET" else {})
        except Declined as declined:
            headers = {"Retry-After": str(self.knobs.retry_after_s)} if self.knobs.retry_after_s else None
            return JSONResponse({"message": declined.message}, status_code=declined.status, headers=headers)
        except (Invalid, ValueError) as error:
            return JSONResponse({"message": f"The request body has 1 error(s): {error}"}, status_code=400)
        if self.knobs.drop_next and spoilt:
            self.knobs.drop_next -= 1
            raise ConnectionResetError("the simulator drops the connection after accepting")
        return JSONResponse(result, status_code=status)

    async def _admit(self, request: Request, *, spoilt: bool) -> None:
        if self.knobs.delay_s:
            await asyncio.sleep(self.knobs.delay_s)
        if self.knobs.token_expired or request.headers.get("authorization") != f"Bearer {self.access_token}":
            raise Declined(401, "Authentication failed. Confirm that the access token is valid.")
        if self.knobs.fail_next and spoilt:
            raise Declined(*self.knobs.fail_next.pop(0))
        if request.method != "GET" and not request.headers.get("content-type", "").startswith("application/json"):
            raise Declined(415, "Unsupported Media Type")

    def _replied(self, _request: Request, body: dict[str, Any]) -> dict[str, Any]:
        messages = read_messages(body.get("messages"))
        chat, issued = self._reply_tokens.get(str(body.get("replyToken")), ("", self.clock.now()))
        late = self.knobs.window_closed or self.clock.now() - issued > REPLY_TOKEN_LIFE
        if not chat or late:
            raise Declined(400, "Invalid reply token")
        del self._reply_tokens[str(body["replyToken"])]
        return self._show(chat, messages, billed=False)

    def _pushed(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        messages = read_messages(body.get("messages"))
        to = str(body.get("to", ""))
        if to not in self.friends:
            raise Declined(400, "The property, 'to', in the request body is invalid (line: -, column: -)")
        key = request.headers.get("x-line-retry-key", "")
        if key:
            self._check_retry_key(key)
        if sum(shown.billed for shown in self.shown) >= self.knobs.monthly_limit:
            raise Declined(429, "You have reached your monthly limit.")
        self._retry_keys[key] = self.clock.now()
        return self._show(to, messages, billed=True)

    def _show_loading(self, _request: Request, body: dict[str, Any]) -> dict[str, Any]:
        unknown = set(body) - {"chatId", "loadingSeconds"}
        person, seconds = str(body.get("chatId", "")), body.get("loadingSeconds", 20)
        if unknown or person not in self.friends:
            raise Declined(400, "The property, 'chatId', in the request body is invalid (line: -, column: -)")
        if seconds not in range(5, 61, 5):
            raise Declined(400, "The property, 'loadingSeconds', in the request body is invalid (line: -, column: -)")
        self.typing.show(person, seconds)
        return {}

    def _check_retry_key(self, key: str) -> None:
        try:
            UUID(key)
        except ValueError as error:
            raise Declined(400, "The retry key is invalid") from error
        accepted = self._retry_keys.get(key)
        if accepted is not None and self.clock.now() - accepted < RETRY_KEY_LIFE:
            raise Declined(409, "The retry key is already accepted")

    def _show(self, to: str, messages: tuple[ShownMessage, ...], *, billed: bool) -> dict[str, Any]:
        self.typing.stop(to)
        if to not in self.blocked:
            self.shown += [Shown(to, message, billed) for message in messages]
        self._taken += len(messages)
        return {"sentMessages": [{"id": str(460_000_000_000 + self._taken - n)} for n in range(len(messages), 0, -1)]}

    def _about(self) -> dict[str, Any]:
        return {"userId": "U" + "0" * 32, "basicId": "@shop", "displayName": "小二好物", "chatMode": "bot"}

    def _webhook_endpoint(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        if request.method == "PUT":
            if not str(body.get("endpoint", "")).startswith("https://"):
                raise Declined(400, "Invalid webhook endpoint URL")
            self.webhook["endpoint"] = body["endpoint"]
            return {}
        if not self.webhook["endpoint"]:
            raise Declined(404, "Webhook endpoint not found")
        return dict(self.webhook)
