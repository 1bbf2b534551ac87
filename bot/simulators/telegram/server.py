"""The Bot API as far as a shop's bot uses it, stricter than the real one.

Source: https://core.telegram.org/bots/api
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bot.domain.clock import Clock
from bot.domain.media_types import HEAD_BYTES, sniff
from bot.simulators.media import HeldFile, MediaHold, is_form, read_form
from bot.simulators.typing_shown import TypingShown

MAX_TEXT_UNITS = 4096
MAX_CAPTION_UNITS = 1024
MAX_CALLBACK_BYTES = 64
_PHOTOS = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_SECRET = re.compile(r"[A-Za-z0-9_-]{0,256}")
_MB = 1024 * 1024
_FILES = {"sendPhoto": ("photo", 10 * _MB), "sendDocument": ("document", 50 * _MB)}
_CHAT_GAP = timedelta(seconds=1)
_POLL_STEP_S = 0.01
_MOST_UPDATES = 100


class Declined(Exception):
    """An answer of the Bot API with ``ok: false``."""

    def __init__(self, code: int, description: str, retry_after: int = 0, migrate_to: int = 0) -> None:
        super().__init__(description)
        self.code = code
        self.description = description
        told = {"retry_after": retry_after, "migrate_to_chat_id": migrate_to}
        self.parameters = {name: value for name, value in told.items() if value}

    def answer(self) -> JSONResponse:
        """Shape the error as Telegram does."""
        data: dict[str, Any] = {"ok": False, "error_code": self.code, "description": self.description}
        if self.parameters:
            data["parameters"] = self.parameters
        return JSONResponse(data, status_code=self.code)


@dataclass
class Knobs:
    """Faults to inject.

    ``delay_s`` before each answer; ``fail_next`` answers to give instead of the right one, in order; ``drop_next``
    counts requests that are carried out and then lose their connection; ``one_a_second`` enforces the rate of a chat
    on the simulator's clock; ``revoked`` takes the token no more; ``longest_poll_s`` bounds how long getUpdates waits;
    ``sends_only`` lets ``fail_next`` and ``drop_next`` wait for a message to be sent.
    """

    delay_s: float = 0.0
    fail_next: list[Declined] = field(default_factory=list)
    drop_next: int = 0
    one_a_second: bool = False
    revoked: bool = False
    longest_poll_s: float = 50.0
    sends_only: bool = False


_ACTIONS = frozenset(
    {"typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document",
     "choose_sticker", "find_location", "record_video_note", "upload_video_note"}
)  # fmt: skip


@dataclass(frozen=True)
class SentMessage:
    """What the bot sent: ``buttons`` as (label, callback data), ``file`` with its caption as the text."""

    message_id: int
    chat_id: int
    text: str
    buttons: tuple[tuple[str, str], ...]
    markup: dict[str, Any] | None
    topic: int = 0
    file: HeldFile | None = None


class TelegramServer:
    """An ASGI app that speaks the Bot API for one bot; ``sent`` is what people see, ``hold`` the files it was sent."""

    def __init__(
        self, token: str, clock: Clock, username: str = "xiaoer_demo_bot", hold: MediaHold | None = None
    ) -> None:
        self.token = token
        self.clock = clock
        self.username = username
        self.hold = hold or MediaHold()
        self.knobs = Knobs()
        self.chats: dict[int, str] = {}
        self.blocked: set[int] = set()
        self.sent: list[SentMessage] = []
        self.typing = TypingShown(clock, lasts_s=5)
        self.answered_presses: list[str] = []
        self.open_presses: set[str] = set()
        self.topics: dict[int, set[int]] = {}
        self.migrated: dict[int, int] = {}
        self.webhook: dict[str, Any] = {}
        self.pending: list[dict[str, Any]] = []
        self.conflicts = 0
        self._asking = 0
        self._last_at: dict[int, Any] = {}
        self._app = Starlette(routes=[Route("/bot{token}/{method}", self._call, methods=["GET", "POST"])])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI app."""
        await self._app(scope, receive, send)

    async def _call(self, request: Request) -> JSONResponse:
        try:
            method = request.path_params["method"]
            spoilt = not self.knobs.sends_only or method in {"sendMessage", *_FILES}
            await self._admit(request.path_params["token"], spoilt=spoilt)
            parameters = await _parameters(request)
            polls = method == "getUpdates"
            result = await self._updates(parameters) if polls else self._carry_out(method, parameters)
        except Declined as declined:
            return declined.answer()
        if self.knobs.drop_next and spoilt:
            self.knobs.drop_next -= 1
            raise ConnectionResetError("the simulator drops the connection after accepting")
        return JSONResponse({"ok": True, "result": result})

    async def _admit(self, token: str, *, spoilt: bool) -> None:
        if token != self.token or self.knobs.revoked:
            raise Declined(401, "Unauthorized")
        if self.knobs.delay_s:
            await asyncio.sleep(self.knobs.delay_s)
        if self.knobs.fail_next and spoilt:
            raise self.knobs.fail_next.pop(0)

    def _carry_out(self, method: str, parameters: dict[str, Any]) -> Any:
        if method in _FILES:
            return self._send_file(method, parameters)
        methods: dict[str, Callable[[dict[str, Any]], Any]] = {
            "getMe": lambda _: self.me(),
            "sendMessage": self._send_message,
            "sendChatAction": self._show_action,
            "answerCallbackQuery": self._answer_press,
            "setWebhook": self._set_webhook,
            "getWebhookInfo": lambda _: self._webhook_info(),
        }
        if method not in methods:
            raise Declined(404, "Not Found: method not found")
        return methods[method](parameters)

    def _set_webhook(self, parameters: dict[str, Any]) -> bool:
        if parameters.get("url") and not str(parameters["url"]).startswith("https://"):
            raise Declined(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if not _SECRET.fullmatch(str(parameters.get("secret_token", ""))):
            raise Declined(400, "Bad Request: secret token contains unallowed characters")
        self.webhook = parameters
        return True

    async def _updates(self, parameters: dict[str, Any]) -> list[dict[str, Any]]:
        """Give what is not confirmed, from ``offset`` on, waiting for it as long as was asked; one asks at a time."""
        if self.webhook.get("url"):
            raise self._conflict("can't use getUpdates method while webhook is active; use deleteWebhook to delete it")
        if self._asking:
            raise self._conflict("terminated by other getUpdates request; make sure that only one bot instance runs")
        offset = int(parameters.get("offset") or 0)
        self.pending = [update for update in self.pending if update["update_id"] >= offset]
        self._asking += 1
        try:
            waiting_s = min(float(parameters.get("timeout") or 0), self.knobs.longest_poll_s)
            until = asyncio.get_running_loop().time() + waiting_s
            while not self.pending and asyncio.get_running_loop().time() < until:  # noqa: ASYNC110 - anybody may append
                await asyncio.sleep(_POLL_STEP_S)
        finally:
            self._asking -= 1
        return self.pending[:_MOST_UPDATES]

    def _conflict(self, why: str) -> Declined:
        self.conflicts += 1
        return Declined(409, f"Conflict: {why}")

    def _webhook_info(self) -> dict[str, Any]:
        allowed = self.webhook.get("allowed_updates", [])
        updates = json.loads(allowed) if isinstance(allowed, str) else allowed
        known = {"url": self.webhook.get("url", ""), "pending_update_count": 0, "allowed_updates": updates}
        told = ("pending_update_count", "last_error_message")
        return known | {name: self.webhook[name] for name in told if name in self.webhook}

    def me(self) -> dict[str, Any]:
        """Describe the bot."""
        bot_id = int(self.token.partition(":")[0])
        return {"id": bot_id, "is_bot": True, "first_name": "Xiaoer", "username": self.username}

    def _send_message(self, parameters: dict[str, Any]) -> dict[str, Any]:
        chat_id = self._open_chat(parameters)
        text = str(parameters.get("text", ""))
        if not text.strip():
            raise Declined(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > MAX_TEXT_UNITS:
            raise Declined(400, "Bad Request: message is too long")
        _check_entities(parameters.get("entities"), text)
        return self._show(chat_id, parameters, text)

    def _send_file(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        """Take a photo or document.

        Source: https://core.telegram.org/bots/api#sending-files (photos of 10 MB, others of 50; captions of 1024).
        """
        name, most_bytes = _FILES[method]
        chat_id, file, caption = self._open_chat(parameters), parameters.get(name), str(parameters.get("caption", ""))
        if not isinstance(file, HeldFile) or not file.data:
            raise Declined(400, f"Bad Request: there is no {name} in the request")
        if len(file.data) > most_bytes:
            raise Declined(413, "Request Entity Too Large")
        if name == "photo" and sniff(file.data[:HEAD_BYTES]) not in _PHOTOS:
            raise Declined(400, "Bad Request: IMAGE_PROCESS_FAILED")
        if len(caption.encode("utf-16-le")) // 2 > MAX_CAPTION_UNITS:
            raise Declined(400, "Bad Request: message caption is too long")
        shown = self._show(chat_id, parameters, caption, file)
        self.hold.take(file)
        return shown

    def _show(
        self, chat_id: int, parameters: dict[str, Any], text: str, file: HeldFile | None = None
    ) -> dict[str, Any]:
        self._keep_rate(chat_id)
        if parameters.get("parse_mode"):
            raise Declined(400, "Bad Request: a shopper's words are no markup")
        markup, topic = parameters.get("reply_markup"), self._topic(chat_id, parameters)
        message = SentMessage(len(self.sent) + 1, chat_id, text, _buttons(markup), markup, topic, file)
        self.sent.append(message)
        self.typing.stop(str(chat_id))
        return self.message_json(message)

    def _show_action(self, parameters: dict[str, Any]) -> bool:
        chat_id = self._open_chat(parameters)
        if parameters.get("action") not in _ACTIONS:
            raise Declined(400, "Bad Request: wrong parameter action in request")
        self.typing.show(str(chat_id))
        return True

    def _open_chat(self, parameters: dict[str, Any]) -> int:
        chat_id = _chat_id(parameters)
        if chat_id in self.migrated:
            raise Declined(400, "Bad Request: group chat was upgraded", migrate_to=self.migrated[chat_id])
        if chat_id not in self.chats:
            raise Declined(400, "Bad Request: chat not found")
        if chat_id in self.blocked:
            raise Declined(403, "Forbidden: bot was blocked by the user")
        return chat_id

    def _topic(self, chat_id: int, parameters: dict[str, Any]) -> int:
        """Find the topic of a group; only groups with topics have any."""
        topic = int(parameters.get("message_thread_id") or 0)
        if topic and topic not in self.topics.get(chat_id, set()):
            raise Declined(400, "Bad Request: message thread not found")
        return topic

    def message_json(self, message: SentMessage) -> dict[str, Any]:
        """Shape a message of the bot as the API gives it back."""
        shaped: dict[str, Any] = {
            "message_id": message.message_id,
            "from": self.me(),
            "chat": self.chat_json(message.chat_id),
            "date": int(self.clock.now().timestamp()),
        }
        if message.text:
            shaped["caption" if message.file else "text"] = message.text
        if message.markup:
            shaped["reply_markup"] = message.markup
        if message.topic:
            shaped |= {"message_thread_id": message.topic, "is_topic_message": True}
        return shaped

    def chat_json(self, chat_id: int) -> dict[str, Any]:
        """Shape a chat: groups have negative ids."""
        if chat_id in self.topics:
            return {"id": chat_id, "type": "supergroup", "is_forum": True, "title": self.chats[chat_id]}
        if chat_id < 0:
            return {"id": chat_id, "type": "group", "title": self.chats[chat_id]}
        return {"id": chat_id, "type": "private", "first_name": self.chats[chat_id]}

    def _keep_rate(self, chat_id: int) -> None:
        now = self.clock.now()
        last = self._last_at.get(chat_id)
        if self.knobs.one_a_second and last is not None and now - last < _CHAT_GAP:
            raise Declined(429, "Too Many Requests: retry after 1", retry_after=1)
        self._last_at[chat_id] = now

    def _answer_press(self, parameters: dict[str, Any]) -> bool:
        query = str(parameters.get("callback_query_id", ""))
        if query not in self.open_presses:
            raise Declined(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        self.open_presses.discard(query)
        self.answered_presses.append(query)
        return True


def _chat_id(parameters: dict[str, Any]) -> int:
    try:
        return int(parameters["chat_id"])
    except (KeyError, ValueError, TypeError) as error:
        raise Declined(400, "Bad Request: chat_id is empty") from error


def _check_entities(entities: Any, text: str) -> None:
    """Take bold pieces within the text; the platform drops others, which here is an error of ours."""
    for entity in json.loads(entities) if isinstance(entities, str) else entities or ():
        start, length = entity.get("offset"), entity.get("length")
        units = len(text.encode("utf-16-le")) // 2
        if entity.get("type") != "bold" or start < 0 or length < 1 or start + length > units:
            raise Declined(400, "Bad Request: a message entity lies outside the text")


def _buttons(markup: Any) -> tuple[tuple[str, str], ...]:
    """Check an inline keyboard and list its buttons."""
    if markup is None:
        return ()
    found: list[tuple[str, str]] = []
    for row in markup.get("inline_keyboard", []):
        for key in row:
            label, data = str(key.get("text", "")), str(key.get("callback_data", ""))
            if not label:
                raise Declined(400, "Bad Request: inline keyboard button text is empty")
            if not 1 <= len(data.encode()) <= MAX_CALLBACK_BYTES:
                raise Declined(400, "Bad Request: BUTTON_DATA_INVALID")
            found.append((label, data))
    return tuple(found)


async def _parameters(request: Request) -> dict[str, Any]:
    """Read parameters from a query, a form or JSON; nested values come as JSON text in forms, files in its parts."""
    body = await request.body()
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        return dict(json.loads(body or b"{}"))
    pairs: dict[str, Any]
    if is_form(request):
        pairs = await read_form(request)
    else:
        pairs = dict(parse_qsl(body.decode(), keep_blank_values=True)) if body else dict(request.query_params)
    if "reply_markup" in pairs:
        pairs["reply_markup"] = json.loads(pairs["reply_markup"])
    return pairs
