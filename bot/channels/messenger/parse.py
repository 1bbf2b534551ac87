"""The Messenger Platform's webhook, of a Page or of an Instagram account -> messages and receipts (pure).

Source: https://developers.facebook.com/docs/messenger-platform/reference/webhook-events and
.../docs/messenger-platform/instagram/features/webhook
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.threads import INBOXES, is_inbox, place_name, read_move
from bot.channels._meta.webhook import Batch, Found, read_entries
from bot.channels.reading import (
    UNREADABLE,
    Content,
    in_words,
    inbound,
    listing,
    mapping,
    moment,
    one_line,
    place,
    pressed,
    text_of,
)
from bot.domain.conversation import Owner
from bot.domain.messages import Attachment, InboundMessage, MessageKind
from bot.domain.receipts import Receipt, ReceiptState
from bot.domain.staff import StaffWords, ThreadMove

MESSENGER, INSTAGRAM = "messenger", "instagram"
_OBJECTS = {MESSENGER: "page", INSTAGRAM: "instagram"}
_MILLISECONDS = 1000
# What happens without the shopper saying anything to us.
_SILENT = (
    "optin", "account_linking", "pass_thread_control", "take_thread_control",
    "request_thread_control", "app_roles", "policy_enforcement", "game_play",
)  # fmt: skip
_FILES = {
    "image": MessageKind.IMAGE,
    "video": MessageKind.VIDEO,
    "reel": MessageKind.VIDEO,
    "ig_reel": MessageKind.VIDEO,
    "audio": MessageKind.VOICE,
    "file": MessageKind.FILE,
}

_INBOX_NAMES = {MESSENGER: "Page inbox", INSTAGRAM: "Instagram inbox"}
_MAX_ID_CHARS = 200


def parse_webhook(body: bytes, settings: MetaSettings) -> Batch:
    """Read every event of every entry; BadPayload when the body is no webhook of this channel's object.

    Events of ``standby`` belong to a thread another app (or a person in the Page's inbox) holds: they are kept, and a
    human has the conversation. What cannot be read is passed over with its reason: the rest of its batch must not be
    lost with it.
    """
    found: list[Found] = []
    for entry in read_entries(body, _OBJECTS[settings.channel]):
        if text_of(entry, "id") != settings.node:
            found.append("another account")
            continue
        for event in listing(entry, "messaging"):
            found += _of_thread(event, settings)
        for event in listing(entry, "standby"):
            found += _of_standby(event, settings)
    return Batch.of(found)


def _of_thread(event: Mapping[str, Any], settings: MetaSettings) -> tuple[Found, ...]:
    """Read an event of a thread that is ours, or that comes or goes."""
    moved = read_move(event, settings)
    if moved:
        return (moved,)
    message = mapping(event, "message")
    if message.get("is_echo") is True and is_inbox(text_of(message, "app_id")):
        # Somebody answered in the inbox: the thread is theirs, whether or not Meta says so in an event of its own.
        return _echo(event, message, settings)
    read = _read(event, settings)
    return read if isinstance(read, tuple) else (read,)


def _of_standby(event: Mapping[str, Any], settings: MetaSettings) -> tuple[Found, ...]:
    """Read an event of a thread that is another's: what was said there is on record, and a human has it."""
    message = mapping(event, "message")
    if message.get("is_echo") is True:
        return _echo(event, message, settings)
    read = _read(event, settings)
    if isinstance(read, InboundMessage):
        return (read, ThreadMove(read.sender, Owner.WITH_AGENT, read.sent_at, "standby"))
    return read if isinstance(read, tuple) else (f"standby: {read}",)


def _echo(event: Mapping[str, Any], message: Mapping[str, Any], settings: MetaSettings) -> tuple[Found, ...]:
    """Read what another app of the shop, or somebody in its inbox, wrote: who speaks has the thread."""
    to, number = text_of(mapping(event, "recipient"), "id"), text_of(message, "mid")
    at = moment(event, "timestamp", _MILLISECONDS)
    if not to or to == settings.node or not number or at is None:
        return ("malformed",)
    customer, app = settings.sender(to), text_of(message, "app_id")
    by = place_name(app) if app else INBOXES[settings.channel]
    shown = _INBOX_NAMES[settings.channel] if by == INBOXES[settings.channel] else by
    return (
        ThreadMove(customer, Owner.WITH_AGENT, at, by),
        StaffWords(customer, number[:_MAX_ID_CHARS], in_words(_said(message)), shown, at),
    )


def _read(event: Mapping[str, Any], settings: MetaSettings) -> InboundMessage | tuple[Receipt, ...] | str:
    """Read one event: a message, receipts, or the reason why there is neither."""
    sender, at = text_of(mapping(event, "sender"), "id"), moment(event, "timestamp", _MILLISECONDS)
    if not sender or at is None:
        return "malformed"
    if "read" in event or "delivery" in event:
        return _receipts(event, settings, (sender, at))
    silent = next((name for name in _SILENT if name in event), "")
    message = mapping(event, "message")
    if sender == settings.node or message.get("is_echo") is True:
        return "echo of our own side"
    if silent:
        return f"event {silent}"
    key = _dedupe_key(event, message, sender)
    return inbound(settings.sender(sender), key, at, _content(event, message), text_of(message, "mid"))


def _dedupe_key(event: Mapping[str, Any], message: Mapping[str, Any], sender: str) -> str:
    number = text_of(message, "mid") or text_of(mapping(event, "postback"), "mid")
    if number and message.get("is_deleted") is not True:
        return number
    # Older postbacks and new kinds of event have no mid: the same sender, time and content are the same event.
    digest = hashlib.sha256(repr(sorted(event.items(), key=lambda item: str(item[0]))).encode("utf-8", "replace"))
    return f"event:{sender}:{digest.hexdigest()[:32]}"


def _content(event: Mapping[str, Any], message: Mapping[str, Any]) -> Content:
    revised = _revision(event, message)
    if revised:
        return revised
    if "postback" in event:
        postback = mapping(event, "postback")
        return _pressed(text_of(postback, "title"), text_of(postback, "payload"))
    if "referral" in event and not message:
        return Content(MessageKind.FOLLOW)
    if not message:
        return UNREADABLE
    quick = text_of(mapping(message, "quick_reply"), "payload")
    if quick:
        return _pressed(text_of(message, "text"), quick)
    return _said(message)


def _revision(event: Mapping[str, Any], message: Mapping[str, Any]) -> Content | None:
    """Read an edit, an unsent message or a reaction, each with the id of the message it is about."""
    if message.get("is_deleted") is True:
        return Content(MessageKind.RECALL, concerns=text_of(message, "mid"))
    if "message_edit" in event:
        edit = mapping(event, "message_edit")
        return Content(MessageKind.EDIT, text_of(edit, "text"), concerns=text_of(edit, "mid"))
    if "reaction" in event:
        reaction = mapping(event, "reaction")
        taken_away = text_of(reaction, "action") == "unreact"
        emoji = "" if taken_away else text_of(reaction, "emoji") or text_of(reaction, "reaction")
        return Content(MessageKind.REACTION, emoji, concerns=text_of(reaction, "mid"))
    return None


def _pressed(label: str, payload: str) -> Content:
    return Content(MessageKind.FOLLOW) if payload.upper() == "GET_STARTED" else pressed(label, payload)


def _said(message: Mapping[str, Any]) -> Content:
    """Read a message's words and attachments; attachments come by address, which is not ours to keep for long."""
    text = text_of(message, "text")
    files: list[Attachment] = []
    kind = MessageKind.TEXT
    for raw in listing(message, "attachments"):
        name, payload = text_of(raw, "type"), mapping(raw, "payload")
        if payload.get("sticker_id"):
            kind = MessageKind.STICKER
        elif name == "location":
            return place(*(text_of(payload.get("coordinates"), key) for key in ("lat", "long")))
        elif name in _FILES:
            kind = _FILES[name]
            files.append(Attachment(kind, text_of(payload, "url"), "", one_line(text_of(payload, "title"))))
        else:
            # A shared post, a product, a story mention, or a type newer than this code.
            kind = MessageKind.TEXT if text else kind if files else MessageKind.UNKNOWN
    return Content(kind, text, tuple(files))


def _receipts(
    event: Mapping[str, Any], settings: MetaSettings, who_and_when: tuple[str, datetime]
) -> tuple[Receipt, ...]:
    """Read receipts: by message, or of everything up to the watermark."""
    who, at = who_and_when
    name = "read" if "read" in event else "delivery"
    state = ReceiptState.READ if name == "read" else ReceiptState.DELIVERED
    told = mapping(event, name)
    mids = told.get("mids")
    numbers = [mid for mid in mids if isinstance(mid, str)] if isinstance(mids, list) else []
    numbers += [text_of(told, "mid")] if text_of(told, "mid") else []
    up_to = moment(told, "watermark", _MILLISECONDS)
    named = [Receipt(settings.channel, settings.account, state, at, who, number) for number in numbers]
    marked = [Receipt(settings.channel, settings.account, state, at, who, up_to=up_to)] if up_to else []
    return (*named, *marked)
