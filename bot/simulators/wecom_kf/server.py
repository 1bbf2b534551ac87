"""The customer-service API as far as a shop needs it, stricter than the real one.

Source: https://developer.work.weixin.qq.com/document/path/94670 (sync_msg), /94677 (send_msg), /94669 (service_state),
/95122 (send_msg_on_event), /91039 (gettoken).
"""

from __future__ import annotations

import asyncio
import json
import re
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any, ClassVar

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.domain.clock import Clock
from bot.simulators.wecom_kf.messages import ApiError, check_message, check_on_event, shown

WINDOW = timedelta(hours=48)
WINDOW_MESSAGES = 5
CODE_LIFE = timedelta(seconds=20)
MSG_TOKEN_LIFE = timedelta(minutes=10)
TOKEN_LIFE_S = 7200
KEPT = timedelta(days=3)
MAX_BATCH = 1000
MAX_CURSOR_BYTES, MAX_TOKEN_BYTES, MAX_ACCOUNTS = 64, 128, 100
TOKENLESS_A_MINUTE = 60
NEW, BOT, QUEUED, HUMAN, ENDED = range(5)
_CHANGES = {NEW: {BOT, QUEUED, HUMAN, ENDED}, BOT: {QUEUED, HUMAN, ENDED}, QUEUED: {HUMAN, ENDED},
            HUMAN: {HUMAN, ENDED}, ENDED: set()}  # fmt: skip
_MSGID = re.compile(r"[0-9a-zA-Z_-]{1,32}")


@dataclass
class Knobs:
    """Faults to inject.

    ``delay_s`` before each answer; ``fail_next`` error codes to answer instead of carrying out, ``refuse_calls`` one
    for every call of a name; ``status_next`` HTTP statuses likewise; ``drop_next`` requests carried out that then lose
    their connection; ``gap_every`` pulls that come empty with ``has_more``; ``repeat`` entries given again at the next
    pull; ``shuffle`` mixes what a pull gives; ``limit`` at most so many a pull; ``refuse_after`` lets the next sends be
    taken and then fail with this ``fail_type``; ``window_closed`` whatever the clock says; ``sends_only`` lets
    ``fail_next`` and ``drop_next`` wait for a message to be sent.
    """

    delay_s: float = 0.0
    fail_next: list[int] = field(default_factory=list)
    refuse_calls: dict[str, int] = field(default_factory=dict)
    status_next: list[int] = field(default_factory=list)
    drop_next: int = 0
    gap_every: int = 0
    repeat: int = 0
    shuffle: Random | None = None
    limit: int = MAX_BATCH
    refuse_after: list[int] = field(default_factory=list)
    window_closed: bool = False
    sends_only: bool = False


@dataclass
class Session:
    """A customer's session with one account."""

    state: int = ENDED
    servicer: str = ""
    spoke_at: datetime | None = None
    used: int = 0


@dataclass(frozen=True)
class _Code:
    """What pays for one message to a customer: of an entered session, or of one that has ended and is still over."""

    account: str
    customer: str
    until: datetime
    after_end: bool = False


class KfServer:
    """An ASGI app for one company.

    ``sent`` is what customers see, as (account, customer, text); ``offered`` the menu entries and ``shapes`` the type
    of each, in step. ``calls`` are the names of all that was asked, ``foreign`` accounts the API may not manage.
    """

    uploads: ClassVar[frozenset[str]] = frozenset({"image", "file"})

    def __init__(self, corp_id: str, secret: str, clock: Clock, accounts: tuple[str, ...] = ("wkDemo01",)) -> None:
        self.corp_id, self.secret, self.clock, self.accounts = corp_id, secret, clock, accounts
        self.knobs = Knobs()
        self.sessions: dict[tuple[str, str], Session] = {}
        self.entries: dict[str, list[dict[str, Any]]] = {account: [] for account in accounts}
        self.sent: list[tuple[str, str, str]] = []
        self.menus: dict[tuple[str, str], list[tuple[str, str]]] = {}
        self.offered: list[list[tuple[str, str]]] = []
        self.shapes: list[str] = []
        self.pulls: list[dict[str, Any]] = []
        self.calls: list[str] = []
        self.foreign: tuple[str, ...] = ()
        self.tokens_made = self.token_requests = 0
        self._msg_tokens: dict[str, datetime] = {}
        self._codes: dict[str, _Code] = {}
        self._msgids: set[str] = set()
        self._welcomed: dict[tuple[str, str], datetime] = {}
        self._tokenless: list[datetime] = []
        self._token, self._token_until, self._next = "", clock.now(), 0
        calls = {"sync_msg": self._sync, "send_msg": self._send, "send_msg_on_event": self._send_on_event,
                 "service_state/get": self._state, "service_state/trans": self._trans,
                 "account/list": self._accounts}  # fmt: skip
        routes = [Route("/cgi-bin/gettoken", self._gettoken)]
        routes += [
            Route(f"/cgi-bin/kf/{name}", self._guarded(name, call), methods=["POST"]) for name, call in calls.items()
        ]
        self._app = Starlette(routes=routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI app."""
        await self._app(scope, receive, send)

    def expire_token(self) -> None:
        """Let the present access token end now, before its time."""
        self._token_until = self.clock.now()

    def msg_token(self) -> str:
        """Make a callback's token."""
        token = f"ENC{secrets.token_hex(16)}"
        self._msg_tokens[token] = self.clock.now() + MSG_TOKEN_LIFE
        return token

    def welcome_code(self, account: str, customer: str) -> str:
        """Make a welcome code; empty for who was given one, or wrote, within 48 hours."""
        since = (self._welcomed.get((account, customer)), self.session(account, customer).spoke_at)
        if any(at is not None and self.clock.now() - at <= WINDOW for at in since):
            return ""
        self._welcomed[account, customer] = self.clock.now()
        code = secrets.token_hex(12)
        self._codes[code] = _Code(account, customer, self.clock.now() + CODE_LIFE)
        return code

    def end(self, account: str, customer: str) -> str:
        """End a session; give the code for one message while it is over."""
        self.session(account, customer).state = ENDED
        code = secrets.token_hex(12)
        self._codes[code] = _Code(account, customer, self.clock.now() + CODE_LIFE, after_end=True)
        return code

    def add(self, account: str, entry: dict[str, Any]) -> dict[str, Any]:
        """Put an entry where it is pulled from."""
        self._next += 1
        sent_at = int(self.clock.now().timestamp())
        whole = {"msgid": f"m{self._next:08d}{secrets.token_hex(4)}", "send_time": sent_at} | entry
        self.entries[account].append(whole)
        return whole

    def session(self, account: str, customer: str) -> Session:
        """Give a customer's session; one without a word for 48 hours has ended."""
        found = self.sessions.setdefault((account, customer), Session())
        if found.spoke_at is not None and self.clock.now() - found.spoke_at > WINDOW:
            found.state = ENDED
        return found

    async def _gettoken(self, request: Request) -> Response:
        await self._pause()
        self.token_requests += 1
        if request.query_params.get("corpid") != self.corp_id:
            return _error(40013, "invalid corpid")
        if request.query_params.get("corpsecret") != self.secret:
            return _error(40001, "invalid credential")
        if self.clock.now() >= self._token_until:
            self.tokens_made += 1
            self._token = f"K{self.tokens_made}-{secrets.token_hex(16)}"
            self._token_until = self.clock.now() + timedelta(seconds=TOKEN_LIFE_S)
        left_s = int((self._token_until - self.clock.now()).total_seconds())
        return JSONResponse({"errcode": 0, "errmsg": "ok", "access_token": self._token, "expires_in": left_s})

    def _guarded(
        self, name: str, call: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def guarded(request: Request) -> Response:
            await self._pause()
            if self.knobs.status_next:
                return Response(status_code=self.knobs.status_next.pop(0))
            try:
                self._admit(name, request.query_params.get("access_token", ""))
                answer = call(_body(await request.body()))
            except ApiError as error:
                return _error(error.code, error.text)
            if self.knobs.drop_next and self._is_spoilt(name):
                self.knobs.drop_next -= 1
                raise ConnectionResetError("the simulator drops the connection after accepting")
            return JSONResponse({"errcode": 0, "errmsg": "ok"} | answer)

        return guarded

    async def _pause(self) -> None:
        if self.knobs.delay_s:
            await asyncio.sleep(self.knobs.delay_s)

    def _admit(self, name: str, token: str) -> None:
        self.calls.append(name)
        if name in self.knobs.refuse_calls or (self.knobs.fail_next and self._is_spoilt(name)):
            raise ApiError(self.knobs.refuse_calls.get(name) or self.knobs.fail_next.pop(0), "injected")
        fault = self.token_fault(token)
        if fault:
            raise ApiError(fault, "access_token is invalid or expired")

    def _is_spoilt(self, name: str) -> bool:
        """Tell whether a call is one that ``fail_next`` and ``drop_next`` are for."""
        return not self.knobs.sends_only or name in {"send_msg", "send_msg_on_event"}

    def token_fault(self, token: str) -> int:
        """Tell the error code of a token that is not good, 0 for one that is."""
        if not token or token != self._token:
            return 40014
        return 42001 if self.clock.now() >= self._token_until else 0

    def _accounts(self, body: dict[str, Any]) -> dict[str, Any]:
        first, most = body.get("offset", 0), body.get("limit", MAX_ACCOUNTS)
        if not isinstance(first, int) or not isinstance(most, int) or not 0 < most <= MAX_ACCOUNTS:
            raise ApiError(40058, "invalid offset or limit")
        listed = (*self.accounts, *self.foreign)[first : first + most]
        return {
            "account_list": [
                {"open_kfid": each, "name": "客服", "manage_privilege": each in self.accounts} for each in listed
            ]
        }

    def _sync(self, body: dict[str, Any]) -> dict[str, Any]:
        account = self._account(body)
        token, limit = body.get("token", ""), body.get("limit", MAX_BATCH)
        self._check_pull(str(token), str(body.get("cursor", "")))
        if not isinstance(limit, int) or not 0 < limit <= MAX_BATCH:
            raise ApiError(40058, "invalid limit")
        cursor = str(body.get("cursor", "") or "c0")
        if not re.fullmatch(r"c\d+(g\d+)?", cursor):
            raise ApiError(40058, "invalid cursor")
        self.pulls.append(body)
        start, _, gaps = cursor[1:].partition("g")
        entries = self.entries[account]
        if not body.get("cursor"):
            oldest = (self.clock.now() - KEPT).timestamp()
            start = str(sum(entry["send_time"] < oldest for entry in entries))
        if self.knobs.gap_every and int(gaps or 0) < self.knobs.gap_every and int(start) < len(entries):
            return {"next_cursor": f"c{start}g{int(gaps or 0) + 1}", "has_more": 1, "msg_list": []}
        end = min(int(start) + min(limit, self.knobs.limit), len(entries))
        first = max(int(start) - self.knobs.repeat, 0)
        given = entries[first:end]
        if self.knobs.shuffle:
            self.knobs.shuffle.shuffle(given)
        return {"next_cursor": f"c{end}", "has_more": int(end < len(entries)), "msg_list": given}

    def _check_pull(self, token: str, cursor: str) -> None:
        now = self.clock.now()
        if token and (len(token.encode()) > MAX_TOKEN_BYTES or self._msg_tokens.get(token, now) <= now):
            raise ApiError(95007, "invalid msg token")
        if len(cursor.encode()) > MAX_CURSOR_BYTES:
            raise ApiError(40058, "invalid cursor")
        if not token:
            self._tokenless = [at for at in self._tokenless if now - at < timedelta(minutes=1)]
            if len(self._tokenless) >= TOKENLESS_A_MINUTE:
                raise ApiError(45009, "reach max api minute quota limit: pull with the token of a callback")
            self._tokenless.append(now)

    def _send(self, body: dict[str, Any]) -> dict[str, Any]:
        account, customer = self._account(body), str(body.get("touser", ""))
        session = self._session_of({"open_kfid": account, "external_userid": customer})
        check_message(body)
        msgid = self._take_msgid(body)
        if session.state not in {NEW, BOT}:
            raise ApiError(95018, "send msg session status invalid")
        now = self.clock.now()
        if self.knobs.window_closed or session.spoke_at is None or now - session.spoke_at > WINDOW:
            raise ApiError(95002, "send msg time limit")
        if session.used >= WINDOW_MESSAGES:
            raise ApiError(95001, "send msg count limit")
        session.used += 1
        if self.knobs.refuse_after:
            kind = self.knobs.refuse_after.pop(0)
            event = {"event_type": "msg_send_fail", "open_kfid": account, "external_userid": customer,
                     "fail_msgid": msgid, "fail_type": kind}  # fmt: skip
            self.add(account, {"origin": 4, "msgtype": "event", "event": event})
        else:
            self._show(account, customer, body)
        self._msgids.add(msgid)
        return {"msgid": msgid}

    def _send_on_event(self, body: dict[str, Any]) -> dict[str, Any]:
        found = self._codes.pop(str(body.get("code", "")), None)
        if found is None or found.until < self.clock.now():
            raise ApiError(95016, "the code is used or over")
        if found.after_end and self.session(found.account, found.customer).state != ENDED:
            raise ApiError(95018, "the session is not over any more")
        check_on_event(body)
        msgid = self._take_msgid(body)
        self._show(found.account, found.customer, body)
        self._msgids.add(msgid)
        return {"msgid": msgid}

    def _state(self, body: dict[str, Any]) -> dict[str, Any]:
        session = self._session_of(body)
        return {"service_state": session.state, "servicer_userid": session.servicer}

    def _trans(self, body: dict[str, Any]) -> dict[str, Any]:
        session, wanted = self._session_of(body), body.get("service_state")
        if wanted not in _CHANGES[session.state]:
            raise ApiError(95017, f"cannot change from {session.state} to {wanted}")
        if wanted == HUMAN and not body.get("servicer_userid"):
            raise ApiError(41054, "servicer_userid missing")
        session.state, session.servicer = int(wanted), str(body.get("servicer_userid", ""))
        if wanted == ENDED:
            return {"msg_code": self.end(str(body["open_kfid"]), str(body["external_userid"]))}
        return {"msg_code": secrets.token_hex(8)}

    def _session_of(self, body: dict[str, Any]) -> Session:
        whose = (self._account(body), str(body.get("external_userid", "")))
        if whose not in self.sessions:
            raise ApiError(40096, "invalid external userid")
        return self.session(*whose)

    def _account(self, body: dict[str, Any]) -> str:
        account = body.get("open_kfid")
        if account not in self.accounts:
            raise ApiError(95000, "invalid open_kfid")
        return str(account)

    def _take_msgid(self, body: dict[str, Any]) -> str:
        msgid = str(body.get("msgid") or secrets.token_hex(8))
        if not _MSGID.fullmatch(msgid) or msgid in self._msgids:
            raise ApiError(40058, "invalid msgid: repeated, or not [0-9a-zA-Z_-]{1,32}")
        return msgid

    def _show(self, account: str, customer: str, body: dict[str, Any]) -> None:
        text, items = shown(body)
        self.sent.append((account, customer, text))
        self.offered.append(items)
        self.shapes.append(str(body["msgtype"]))
        if items:
            self.menus[account, customer] = items


def _body(raw: bytes) -> dict[str, Any]:
    try:
        body = json.loads(raw)
    except ValueError as error:
        raise ApiError(47001, "data format error") from error
    if not isinstance(body, dict) or b"\\u" in raw:
        raise ApiError(47001, "data format error: send plain UTF-8")
    return body


def _error(code: int, text: str) -> JSONResponse:
    return JSONResponse({"errcode": code, "errmsg": text})
