"""The Official Account API as far as a shop needs it, stricter than the real one.

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Service_Center_messages.html
"""

from __future__ import annotations

import asyncio
import json
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.domain.clock import Clock
from bot.simulators.typing_shown import TypingShown

MAX_TEXT_BYTES = 2048
WINDOW = timedelta(hours=48)
WINDOW_MESSAGES = 5
BRIEF_WINDOW = timedelta(minutes=1)
BRIEF_MESSAGES = 3
TYPING_WINDOW = timedelta(seconds=30)
TOKEN_LIFE_S = 7200
FORCED_A_DAY = 20
_FRESH_S = 300


@dataclass
class Knobs:
    """Faults to inject.

    ``delay_s`` before each answer; ``fail_next`` error codes to answer instead of carrying out, in order;
    ``status_next`` HTTP statuses likewise; ``drop_next`` requests carried out that then lose their connection;
    ``permission`` for customer-service messages; ``window_closed`` whatever the clock says; ``sends_only`` lets
    ``fail_next`` wait for a message to be sent.
    """

    delay_s: float = 0.0
    fail_next: list[int] = field(default_factory=list)
    status_next: list[int] = field(default_factory=list)
    drop_next: int = 0
    permission: bool = True
    window_closed: bool = False
    sends_only: bool = False


@dataclass
class Follower:
    """A person: follows or not, and how much of the window is left."""

    following: bool = True
    spoke_at: datetime | None = None
    used: int = 0
    acted_at: datetime | None = None
    used_since_act: int = 0


class ApiError(Exception):
    """An answer with an error code."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class WechatServer:
    """An ASGI app for one account; ``sent`` is what followers see, as (openid, text)."""

    uploads: ClassVar[frozenset[str]] = frozenset({"image"})

    def __init__(self, app_id: str, app_secret: str, clock: Clock) -> None:
        self.app_id = app_id
        self.app_secret = app_secret
        self.clock = clock
        self.knobs = Knobs()
        self.followers: dict[str, Follower] = {}
        self.sent: list[tuple[str, str]] = []
        self.typing = TypingShown(clock, lasts_s=15)  # ? how long it is shown is not told
        self.tokens_made = 0
        self.token_requests = 0
        self._token = ""
        self._token_until = clock.now()
        self._forced: list[datetime] = []
        routes = [
            Route("/cgi-bin/stable_token", self._stable_token, methods=["POST"]),
            Route("/cgi-bin/message/custom/send", self._custom_send, methods=["POST"]),
            Route("/cgi-bin/message/custom/typing", self._custom_typing, methods=["POST"]),
        ]
        self._app = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI app."""
        await self._app(scope, receive, send)

    def open_briefly(self, openid: str) -> None:
        """Open the short window of a menu click, a follow or a scan; it does not add to the other."""
        person = self.followers.setdefault(openid, Follower())
        person.acted_at, person.used_since_act = self.clock.now(), 0

    def expire_token(self) -> None:
        """Let the present token end now, before its time."""
        self._token_until = self.clock.now()

    async def _stable_token(self, request: Request) -> Response:
        await self._pause()
        self.token_requests += 1
        body = await request.json()
        if body.get("grant_type") != "client_credential":
            return _error(40002, "invalid grant_type")
        if body.get("appid") != self.app_id:
            return _error(40013, "invalid appid")
        if body.get("secret") != self.app_secret:
            return _error(40125, "invalid appsecret")
        if body.get("force_refresh") and not self._may_force():
            return _error(45009, "reach max api daily quota limit")
        left_s = (self._token_until - self.clock.now()).total_seconds()
        if body.get("force_refresh") or left_s <= _FRESH_S:
            self.tokens_made += 1
            self._token = f"T{self.tokens_made}-{secrets.token_hex(16)}"
            self._token_until = self.clock.now() + timedelta(seconds=TOKEN_LIFE_S)
            left_s = TOKEN_LIFE_S
        return JSONResponse({"access_token": self._token, "expires_in": int(left_s)})

    def _may_force(self) -> bool:
        """Count a forced token; False beyond 20 a day."""
        now = self.clock.now()
        self._forced = [at for at in self._forced if now - at < timedelta(days=1)] + [now]
        return len(self._forced) <= FORCED_A_DAY

    async def _custom_send(self, request: Request) -> Response:
        await self._pause()
        if self.knobs.status_next:
            return Response(status_code=self.knobs.status_next.pop(0))
        try:
            self._admit(request.query_params.get("access_token", ""), spoilt=True)
            openid, text = _text_message(await request.body())
            self._spend_window(openid)
        except ApiError as error:
            return _error(error.code, error.text)
        self.sent.append((openid, text))
        self.typing.stop(openid)
        if self.knobs.drop_next:
            self.knobs.drop_next -= 1
            raise ConnectionResetError("the simulator drops the connection after accepting")
        return _error(0, "ok")

    async def _custom_typing(self, request: Request) -> Response:
        """Show that somebody is typing, to who wrote within the last 30 seconds."""
        await self._pause()
        try:
            self._admit(request.query_params.get("access_token", ""), spoilt=not self.knobs.sends_only)
            self._show_typing(await request.json())
        except ApiError as error:
            return _error(error.code, error.text)
        return _error(0, "ok")

    def _show_typing(self, body: dict[str, Any]) -> None:
        openid = str(body.get("touser", ""))
        person = self.followers.get(openid)
        if person is None:
            raise ApiError(40003, "invalid openid")
        if set(body) != {"touser", "command"} or body["command"] not in {"Typing", "CancelTyping"}:
            raise ApiError(45072, "invalid command")
        if person.spoke_at is None or self.clock.now() - person.spoke_at > TYPING_WINDOW:
            raise ApiError(45080, "message should be sent or received within 30 seconds")
        if body["command"] == "CancelTyping":
            self.typing.stop(openid)
        elif self.typing.is_shown_to(openid):
            raise ApiError(45081, "already typing, do not repeat")
        else:
            self.typing.show(openid)

    async def _pause(self) -> None:
        if self.knobs.delay_s:
            await asyncio.sleep(self.knobs.delay_s)

    def _admit(self, token: str, *, spoilt: bool) -> None:
        if self.knobs.fail_next and spoilt:
            raise ApiError(self.knobs.fail_next.pop(0), "injected")
        fault = self.token_fault(token)
        if fault:
            raise ApiError(fault, "access_token is invalid, not latest or expired")
        if not self.knobs.permission:
            raise ApiError(48001, "api unauthorized")

    def token_fault(self, token: str) -> int:
        """Tell the error code of a token that is not good, 0 for one that is."""
        if not token or token != self._token:
            return 40001
        return 42001 if self.clock.now() >= self._token_until else 0

    def _spend_window(self, openid: str) -> None:
        person = self.followers.get(openid)
        if person is None:
            raise ApiError(40003, "invalid openid")
        if not person.following:
            raise ApiError(43004, "require subscribe")
        now = self.clock.now()
        long = person.spoke_at is not None and now - person.spoke_at <= WINDOW
        brief = person.acted_at is not None and now - person.acted_at <= BRIEF_WINDOW
        if self.knobs.window_closed or (not long and not brief):
            raise ApiError(45015, "response out of time limit or subscription is canceled")
        left = max(WINDOW_MESSAGES - person.used if long else 0, BRIEF_MESSAGES - person.used_since_act if brief else 0)
        if left <= 0:
            raise ApiError(45047, "out of response count limit")
        person.used += 1
        person.used_since_act += 1


def _text_message(body: bytes) -> tuple[str, str]:
    try:
        message: Any = json.loads(body)
        openid, kind = message["touser"], message["msgtype"]
        text = f"📎 {message['image']['media_id']}" if kind == "image" else message["text"]["content"]
    except (ValueError, KeyError, TypeError) as error:
        raise ApiError(47001, "data format error") from error
    if kind not in {"text", "image"}:
        raise ApiError(40008, "invalid message type")
    if not isinstance(text, str) or not text.strip():
        raise ApiError(44004, "text content is empty")
    if len(text.encode()) > MAX_TEXT_BYTES:
        raise ApiError(45002, "content size out of limit")
    if b"\\u" in body:
        raise ApiError(47001, "data format error: escaped characters would be shown as they are")
    return str(openid), text


def _error(code: int, text: str) -> JSONResponse:
    return JSONResponse({"errcode": code, "errmsg": text})
