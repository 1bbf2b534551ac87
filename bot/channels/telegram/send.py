"""Sending on Telegram.

Source: https://core.telegram.org/bots/api#sendmessage (text 1-4096 UTF-16 units), #inlinekeyboardbutton (callback data
1-64 bytes), #responseparameters (``retry_after``).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import httpx
import structlog
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, TelegramError
from telegram.request import HTTPXRequest

from bot.channels._http import silence_request_logs
from bot.channels.degrade import degrade
from bot.channels.fetching import MediaHosts, MediaHttp
from bot.channels.files import read_file
from bot.channels.parts import PartsSent
from bot.channels.telegram.media import TelegramMedia
from bot.channels.telegram.parse import CHANNEL, BotIdentity
from bot.domain.channel_ports import (
    Addressee,
    Capabilities,
    Deferred,
    Delivery,
    Failed,
    Refusal,
    Refused,
    SendPolicy,
    Sent,
    Unclear,
)
from bot.domain.errors import ConfigError, NotFound
from bot.domain.ids import OutboxId
from bot.domain.media import ReadFile
from bot.domain.messages import Button, OutboundMessage

DEFAULT_API_URL = "https://api.telegram.org"
_TOO_MANY_REQUESTS = 429
_DEFAULT_WAIT_S = 5.0
# Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this (30 messages per second over
# the bot, one per second in a chat, short bursts allowed). sendMessage has no idempotency key.
_SENDING = SendPolicy(per_second=30, chat_per_second=1, chat_burst=20)
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_TIMEOUT_S = 10.0
_SHORT_LABEL_CHARS = 12
_BUTTONS_A_ROW = 2
_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class TelegramSettings:
    """One bot. ``username`` is its name without ``@``: groups are answered only when it is mentioned."""

    token: str
    username: str = ""
    account: str = "shop"
    api_url: str = DEFAULT_API_URL


class _Flooded(TelegramError):
    """Too many requests; the library's own RetryAfter cannot be raised without a warning about its future type."""

    def __init__(self, after_s: float) -> None:
        super().__init__("Too many requests")
        self.after_s = after_s


class _Request(HTTPXRequest):
    """The library's HTTP client, with 429 read by us."""

    async def do_request(self, *args: Any, **kwargs: Any) -> tuple[int, bytes]:
        """Ask Telegram; _Flooded on 429."""
        code, payload = await super().do_request(*args, **kwargs)
        if code == _TOO_MANY_REQUESTS:
            raise _Flooded(_retry_after(payload))
        return code, payload


class TelegramAdapter:
    """The ``telegram`` channel of one bot; ``transport`` replaces the network in tests."""

    name = CHANNEL
    capabilities = Capabilities(
        max_text=4096, text_unit="utf16", max_buttons=20, images=True, files=True, sending=_SENDING
    )

    def __init__(self, settings: TelegramSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        bot_id = settings.token.partition(":")[0]
        if not bot_id.isdigit():
            raise ConfigError("the Telegram token must look like 123456:ABC...; ask @BotFather for it")
        self.identity = BotIdentity(settings.account, int(bot_id), settings.username.removeprefix("@"))
        silence_request_logs()
        request = _Request(
            read_timeout=_TIMEOUT_S,
            write_timeout=_TIMEOUT_S,
            connect_timeout=_TIMEOUT_S,
            httpx_kwargs={"transport": transport} if transport else None,
        )
        api = settings.api_url.rstrip("/")
        self._bot = Bot(settings.token, base_url=f"{api}/bot", base_file_url=f"{api}/file/bot", request=request)
        self._media = TelegramMedia(self._bot, MediaHttp(MediaHosts(api), transport))
        self.download = self._media.download
        self.files: ReadFile | None = None
        self._request = request
        self.parts = PartsSent()

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send the message in as many parts as it needs; a repeat goes on after the parts already taken."""
        chat_id = to.channel_user_id.partition("/")[0]
        parts = degrade(message, self.capabilities)
        platform_id = ""
        try:
            for part in parts[self.parts.count(outbox_id) :]:
                platform_id = await self._send_part(chat_id, part)
                self.parts.note(outbox_id, platform_id)
        except TelegramError as error:
            return _delivery(error)
        except NotFound as missing:
            return Failed(str(missing), retryable=False)
        self.parts.forget(outbox_id)
        return Sent(platform_id)

    async def _send_part(self, chat_id: str, part: OutboundMessage) -> str:
        """Send words with their buttons, and what is attached to them; give the last message's id."""
        sent = ""
        for attachment in part.attachments:
            sent = await self._media.send(chat_id, await read_file(self.files, attachment))
        if part.text:
            keyboard = _keyboard(part.buttons)
            message = await self._bot.send_message(chat_id=chat_id, text=part.text, reply_markup=keyboard)
            sent = str(message.message_id)
        return sent

    async def answer_press(self, callback_query_id: str) -> None:
        """Tell Telegram that a pressed button was noticed."""
        try:
            await self._bot.answer_callback_query(callback_query_id)
        except TelegramError as error:
            _LOG.info("telegram_press_not_answered", error=type(error).__name__)

    async def set_webhook(self, url: str, secret: str) -> None:
        """Register the webhook; TelegramError with Telegram's reason when it does not take it."""
        wanted = ["message", "edited_message", "message_reaction", "callback_query", "my_chat_member"]
        await self._bot.set_webhook(url, secret_token=secret, allowed_updates=wanted)

    async def close(self) -> None:
        """Close the connections."""
        await self._request.shutdown()
        await self._media.close()


def _keyboard(buttons: tuple[Button, ...]) -> InlineKeyboardMarkup | None:
    """Lay buttons out: short labels two in a row, else one."""
    if not buttons:
        return None
    keys = [InlineKeyboardButton(button.label, callback_data=button.payload) for button in buttons]
    short = all(len(button.label) <= _SHORT_LABEL_CHARS for button in buttons)
    width = _BUTTONS_A_ROW if short else 1
    return InlineKeyboardMarkup([keys[start : start + width] for start in range(0, len(keys), width)])


def _delivery(error: TelegramError) -> Delivery:
    """Map Telegram's errors; BadRequest is a NetworkError to the library, so the order matters."""
    if isinstance(error, _Flooded):
        return Deferred(error.after_s, "Telegram asks to wait")
    if isinstance(error, Forbidden):
        return Refused(f"Telegram refuses: {error.message}", Refusal.BLOCKED)
    if isinstance(error, BadRequest | ChatMigrated | InvalidToken):
        return Failed(f"Telegram does not take the message: {error.message}", retryable=False)
    if isinstance(error.__cause__, httpx.TransportError) and not isinstance(error.__cause__, _NEVER_LEFT):
        return Unclear(f"the connection to Telegram was lost: {type(error.__cause__).__name__}")
    return Failed(f"Telegram cannot be reached: {error.message}", retryable=isinstance(error, NetworkError))


def _retry_after(payload: bytes) -> float:
    try:
        return float(json.loads(payload)["parameters"]["retry_after"])
    except (ValueError, KeyError, TypeError):
        return _DEFAULT_WAIT_S
