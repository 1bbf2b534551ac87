"""Sending on Telegram.

Source: https://core.telegram.org/bots/api#sendmessage (text 1-4096 UTF-16 units), #inlinekeyboardbutton (callback data
1-64 bytes), #responseparameters (``retry_after``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

import httpx
from telegram import Bot, InlineKeyboardButton, InlineKeyboardMarkup, Message, MessageEntity
from telegram.error import BadRequest, ChatMigrated, Forbidden, NetworkError, RetryAfter, TelegramError
from telegram.request import HTTPXRequest

from bot.channels._api import TIMEOUT_S, broken_off, silence_request_logs
from bot.channels.adapter import PlatformAdapter
from bot.channels.cleaning import clean_message
from bot.channels.degrade import card_parts, degrade, measure
from bot.channels.fetching import Downloads, MediaHosts
from bot.channels.reading import payload_of
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
from bot.domain.messages import Attachment, Button, OutboundMessage

# Source: https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this (30 messages per second over
# the bot, one per second in a chat, short bursts allowed). sendMessage has no idempotency key.
_SENDING = SendPolicy(per_second=30, chat_per_second=1, chat_burst=20)
_PHOTOS = frozenset({"image/jpeg", "image/png", "image/webp"})
_MAX_PHOTO_BYTES = 10 * 1024 * 1024  # Source: https://core.telegram.org/bots/api#sendphoto
_ROW_CHARS = 24


class TelegramAdapter(PlatformAdapter):
    """The ``telegram`` channel of one bot; ``transport`` replaces the network in tests."""

    name, platform = CHANNEL, "Telegram"
    capabilities = Capabilities(
        4096, "utf16", max_buttons=20, images=True, files=True, cards=True, typing=True, edits=True, sending=_SENDING
    )

    def __init__(self, settings: TelegramSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.settings = settings
        silence_request_logs()
        # The library's own switch to read times as timedelta; without it a 429 warns of the coming change.
        os.environ["PTB_TIMEDELTA"] = "true"
        request = HTTPXRequest(httpx_kwargs={"timeout": TIMEOUT_S, "transport": transport})
        api = settings.api_url.rstrip("/")
        self._bot = Bot(settings.token, base_url=f"{api}/bot", base_file_url=f"{api}/file/bot", request=request)
        super().__init__(Downloads(MediaHosts(api), self._find, transport), request.shutdown)

    async def deliver(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Send what is attached, then the words with their buttons: each piece is taken once."""
        message = replace(message, buttons=_referred(message.buttons))
        pieces: list[Attachment | OutboundMessage] = [*message.attachments]
        pieces += degrade(replace(clean_message(message), attachments=()), self.capabilities)
        return await self.parts.send(outbox_id, pieces, lambda piece: self._send_piece(_place(to), piece))

    async def _send_piece(self, place: Mapping[str, Any], piece: Attachment | OutboundMessage) -> Delivery:
        try:
            if isinstance(piece, Attachment):
                sent = await self._send_file(place, await self.read_file(piece))
            else:
                title, _ = card_parts(piece)
                bold = [MessageEntity(MessageEntity.BOLD, 0, measure(title, "utf16"))] if title else None
                keys = _keyboard(piece.buttons)
                sent = await self._bot.send_message(text=piece.text, entities=bold, reply_markup=keys, **place)
        except ChatMigrated as error:
            return await self._send_piece({**place, "chat_id": error.new_chat_id}, piece)
        except TelegramError as error:
            return _delivery(error)
        return Sent(str(sent.message_id))

    async def _send_file(self, place: Mapping[str, Any], file: OutgoingFile) -> Message:
        """Send a file, as a photo where it is one that Telegram shows."""
        if file.mime in _PHOTOS and len(file.data) <= _MAX_PHOTO_BYTES:
            with suppress(BadRequest):  # of sides that are too long or too unequal
                return await self._bot.send_photo(photo=file.data, filename=file.name, **place)
        return await self._bot.send_document(document=file.data, filename=file.name, **place)

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
            raise MediaFault(
                f"Telegram does not give it: {type(error).__name__}", lasting=type(error) is BadRequest
            ) from None
        if not file.file_path:
            raise MediaFault("Telegram gives no path to the file")
        return file.file_path, {}

    async def show_typing(self, to: Addressee, answering: str) -> None:
        """Show "typing" in the chat, for five seconds.

        Source: https://core.telegram.org/bots/api#sendchataction
        """
        del answering
        await self._bot.send_chat_action(action="typing", **_place(to))

    async def answer_press(self, callback_query_id: str) -> None:
        """Tell Telegram that a pressed button was noticed; one pressed too long ago spins on without harm."""
        with suppress(TelegramError):
            await self._bot.answer_callback_query(callback_query_id)

    async def set_webhook(self, url: str, secret: str) -> None:
        """Register the webhook; TelegramError with Telegram's reason when it does not take it."""
        await self._bot.set_webhook(url, secret_token=secret, allowed_updates=WANTED_UPDATES)


def _place(to: Addressee) -> Mapping[str, Any]:
    """Tell the chat and the topic of an address."""
    chat_id, *rest = to.channel_user_id.split("/")
    return {"chat_id": chat_id, "message_thread_id": int(rest[1]) if len(rest) > 1 else None}


def _referred(buttons: tuple[Button, ...]) -> tuple[Button, ...]:
    """Put a number in the place of a payload that is too long; pressed, the label tells what was chosen."""
    numbered = enumerate(buttons, start=1)
    return tuple(each if payload_of(each.payload) else replace(each, payload=f"#{number}") for number, each in numbered)


def _keyboard(buttons: tuple[Button, ...]) -> InlineKeyboardMarkup | None:
    """Lay buttons out: a few with short labels side by side, else one below the other."""
    keys = [InlineKeyboardButton(button.label, callback_data=button.payload) for button in buttons]
    side_by_side = len("   ".join(key.text for key in keys)) <= _ROW_CHARS
    lay_out = InlineKeyboardMarkup.from_row if side_by_side else InlineKeyboardMarkup.from_column
    return lay_out(keys) if keys else None


def _delivery(error: TelegramError) -> Delivery:
    """Map Telegram's errors (BadRequest is a NetworkError to the library); Lost or Unreached without an answer."""
    if isinstance(error, RetryAfter):
        return Deferred(cast("Any", error.retry_after).total_seconds(), "Telegram asks to wait")
    if isinstance(error, Forbidden):
        return Refused(f"Telegram refuses: {error.message}", Refusal.BLOCKED)
    if isinstance(error.__cause__, httpx.HTTPError):
        raise broken_off(error.__cause__) from error
    return Failed(f"Telegram does not take the message: {error.message}", retryable=type(error) is NetworkError)
