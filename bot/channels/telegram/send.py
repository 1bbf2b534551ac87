"""Sending on Telegram.

Source: https://core.telegram.org/bots/api#sendmessage (text 1-4096 UTF-16 units), #inlinekeyboardbutton (callback data
1-64 bytes), #responseparameters (``retry_after``).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import httpx
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Message
from telegram.error import BadRequest, ChatMigrated, Forbidden, InvalidToken, NetworkError, TelegramError
from telegram.request import HTTPXRequest

from bot.channels._api import DEFAULT_WAIT_S, TIMEOUT_S, broken_off, read_wait, silence_request_logs
from bot.channels.adapter import PlatformAdapter
from bot.channels.degrade import degrade
from bot.channels.fetching import Downloads, MediaHosts
from bot.channels.reading import json_object, mapping, text_of
from bot.channels.telegram.parse import CHANNEL, WANTED_UPDATES, TelegramSettings
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
)
from bot.domain.ids import OutboxId
from bot.domain.media import MediaFault, MediaRefused, OutgoingFile
from bot.domain.messages import Button, OutboundMessage

# Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this (30 messages per second over
# the bot, one per second in a chat, short bursts allowed). sendMessage has no idempotency key.
_SENDING = SendPolicy(per_second=30, chat_per_second=1, chat_burst=20)
_PHOTOS = frozenset({"image/jpeg", "image/png", "image/webp"})
_MAX_PHOTO_BYTES = 10 * 1024 * 1024  # Source: https://core.telegram.org/bots/api#sendphoto
_SHORT_LABEL_CHARS = 12
_BUTTONS_A_ROW = 2


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
        if code == httpx.codes.TOO_MANY_REQUESTS:
            parameters = mapping(json_object(payload), "parameters")
            raise _Flooded(read_wait(text_of(parameters, "retry_after")) or DEFAULT_WAIT_S)
        return code, payload


class TelegramAdapter(PlatformAdapter):
    """The ``telegram`` channel of one bot; ``transport`` replaces the network in tests."""

    name, platform = CHANNEL, "Telegram"
    capabilities = Capabilities(4096, "utf16", max_buttons=20, images=True, files=True, sending=_SENDING)

    def __init__(self, settings: TelegramSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        silence_request_logs()
        request = _Request(httpx_kwargs={"timeout": TIMEOUT_S, "transport": transport})
        api = settings.api_url.rstrip("/")
        self._bot = Bot(settings.token, base_url=f"{api}/bot", base_file_url=f"{api}/file/bot", request=request)
        super().__init__(Downloads(MediaHosts(api), self._find, transport), request.shutdown)

    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send words with their buttons, and what is attached to them."""
        chat_id = to.channel_user_id.partition("/")[0]
        parts = degrade(message, self.capabilities)
        return await self.parts.send(outbox_id, parts, lambda part: self._send_part(chat_id, part))

    async def _send_part(self, chat_id: str, part: OutboundMessage) -> Delivery:
        sent: Message | None = None
        try:
            for attachment in part.attachments:
                sent = await self._send_file(chat_id, await self.read_file(attachment))
            if part.text:
                sent = await self._bot.send_message(chat_id, part.text, reply_markup=_keyboard(part.buttons))
        except TelegramError as error:
            return _delivery(error)
        return Sent(str(sent.message_id) if sent else "")

    async def _send_file(self, chat_id: str, file: OutgoingFile) -> Message:
        """Send a file, as a photo where it is one that Telegram shows."""
        if file.mime in _PHOTOS and len(file.data) <= _MAX_PHOTO_BYTES:
            return await self._bot.send_photo(chat_id, file.data, filename=file.name)
        return await self._bot.send_document(chat_id, file.data, filename=file.name)

    async def _find(self, file_id: str, most_bytes: int) -> tuple[str, Mapping[str, str]]:
        """Tell where a file lies.

        Source: https://core.telegram.org/bots/api#getfile (up to 20 MB; the address is good for an hour).
        """
        del most_bytes
        try:
            file = await self._bot.get_file(file_id)
        except TelegramError as error:
            if "too big" in error.message.lower():
                raise MediaRefused("Telegram gives bots no file of more than 20 MB") from None
            lasting = isinstance(error, BadRequest)
            raise MediaFault(f"Telegram does not say where it is: {type(error).__name__}", lasting=lasting) from None
        if not file.file_path:
            raise MediaFault("Telegram gives no path to the file")
        return file.file_path, {}

    async def show_typing(self, to: Addressee, answering: str) -> None:
        """Show "typing" in the chat, for five seconds.

        Source: https://core.telegram.org/bots/api#sendchataction
        """
        del answering
        await self._bot.send_chat_action(to.channel_user_id.partition("/")[0], "typing")

    async def answer_press(self, callback_query_id: str) -> None:
        """Tell Telegram that a pressed button was noticed; one pressed too long ago spins on without harm."""
        with suppress(TelegramError):
            await self._bot.answer_callback_query(callback_query_id)

    async def set_webhook(self, url: str, secret: str) -> None:
        """Register the webhook; TelegramError with Telegram's reason when it does not take it."""
        await self._bot.set_webhook(url, secret_token=secret, allowed_updates=WANTED_UPDATES)


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
    if isinstance(error.__cause__, httpx.HTTPError):
        raise broken_off(error.__cause__) from error
    return Failed(f"Telegram cannot be reached: {error.message}", retryable=isinstance(error, NetworkError))
