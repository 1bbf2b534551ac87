"""The Messenger Platform's webhook, of a Page or of an Instagram account -> messages and receipts (pure).

Source: https://developers.facebook.com/docs/messenger-platform/reference/webhook-events and
.../docs/messenger-platform/instagram/features/webhook
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.channels._api import listing, mapping, text_of
from bot.channels._meta.settings import MetaSettings
from bot.channels._meta.webhook import Batch, read_entries
from bot.channels.cleaning import clean_text
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender
from bot.domain.receipts import Receipt, ReceiptState

MESSENGER, INSTAGRAM = "messenger", "instagram"
_OBJECTS = {MESSENGER: "page", INSTAGRAM: "instagram"}
_MAX_PAYLOAD_BYTES = 64
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


@dataclass(frozen=True, slots=True)
class _Content:
    kind: MessageKind
    words: str = ""
    attachments: tuple[Attachment, ...] = ()
    payload: str = ""
    concerns: str = ""


def parse_webhook(body: bytes, settings: MetaSettings) -> Batch:
    """Read every event of every entry; BadPayload when the body is no webhook of this channel's object.

    Events of ``standby`` belong to a thread another app (or a person in the Page's inbox) holds: no reply. What cannot
    be read is passed over with its reason: the rest of its batch must not be lost with it.
    """
    messages: list[InboundMessage] = []
    receipts: list[Receipt] = []
    ignored: list[str] = []
    for entry in read_entries(body, _OBJECTS[settings.channel]):
        ignored += ["standby" for _ in listing(entry, "standby")]
        if text_of(entry, "id") != settings.node:
            ignored.append("another account")
            continue
        for event in listing(entry, "messaging"):
            found = _read(event, settings)
            if isinstance(found, InboundMessage):
                messages.append(found)
            elif isinstance(found, str):
                ignored.append(found)
            else:
                receipts += found
    return Batch(tuple(messages), tuple(receipts), tuple(ignored))


def _read(event: Mapping[str, Any], settings: MetaSettings) -> InboundMessage | tuple[Receipt, ...] | str:
    """Read one event: a message, receipts, or the reason why there is neither."""
    sender, at = text_of(mapping(event, "sender"), "id"), _time(event.get("timestamp"))
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
    content = _content(event, message)
    words = clean_text(content.words)
    shown = MessageKind.UNKNOWN if content.kind is MessageKind.TEXT and not words.text else content.kind
    return InboundMessage(
        sender=Sender(settings.channel, settings.account, sender),
        dedupe_key=_dedupe_key(event, message, sender),
        kind=shown,
        sent_at=at,
        text=words.text,
        payload=content.payload,
        attachments=content.attachments,
        truncated=words.truncated,
        platform_id="" if content.concerns else text_of(message, "mid"),
        concerns=content.concerns,
    )


def _dedupe_key(event: Mapping[str, Any], message: Mapping[str, Any], sender: str) -> str:
    number = text_of(message, "mid") or text_of(mapping(event, "postback"), "mid")
    if number and message.get("is_deleted") is not True:
        return number
    # Older postbacks and new kinds of event have no mid: the same sender, time and content are the same event.
    digest = hashlib.sha256(repr(sorted(event.items(), key=lambda item: str(item[0]))).encode("utf-8", "replace"))
    return f"event:{sender}:{digest.hexdigest()[:32]}"


def _content(event: Mapping[str, Any], message: Mapping[str, Any]) -> _Content:
    revised = _revision(event, message)
    if revised:
        return revised
    if "postback" in event:
        postback = mapping(event, "postback")
        return _pressed(text_of(postback, "title"), text_of(postback, "payload"))
    if "referral" in event and not message:
        return _Content(MessageKind.FOLLOW)
    if not message:
        return _Content(MessageKind.UNKNOWN)
    quick = text_of(mapping(message, "quick_reply"), "payload")
    if quick:
        return _pressed(text_of(message, "text"), quick)
    return _said(message)


def _revision(event: Mapping[str, Any], message: Mapping[str, Any]) -> _Content | None:
    """Read an edit, an unsent message or a reaction, each with the id of the message it is about."""
    if message.get("is_deleted") is True:
        return _Content(MessageKind.RECALL, concerns=text_of(message, "mid"))
    if "message_edit" in event:
        edit = mapping(event, "message_edit")
        return _Content(MessageKind.EDIT, text_of(edit, "text"), concerns=text_of(edit, "mid"))
    if "reaction" in event:
        reaction = mapping(event, "reaction")
        taken_away = text_of(reaction, "action") == "unreact"
        emoji = "" if taken_away else text_of(reaction, "emoji") or text_of(reaction, "reaction")
        return _Content(MessageKind.REACTION, emoji, concerns=text_of(reaction, "mid"))
    return None


def _pressed(label: str, payload: str) -> _Content:
    if payload.upper() == "GET_STARTED":
        return _Content(MessageKind.FOLLOW)
    if not payload.startswith(("/", "=")) or len(payload.encode("utf-8", "surrogatepass")) > _MAX_PAYLOAD_BYTES:
        # A button that is not ours (an ice breaker, a menu of the merchant): its words are what was said.
        return _Content(MessageKind.TEXT, label)
    return _Content(MessageKind.BUTTON, label or payload, payload=payload)


def _said(message: Mapping[str, Any]) -> _Content:
    """Read a message's words and attachments; attachments come by address, which is not ours to keep for long."""
    text = text_of(message, "text")
    files: list[Attachment] = []
    kind = MessageKind.TEXT
    for raw in listing(message, "attachments"):
        name, payload = text_of(raw, "type"), mapping(raw, "payload")
        if payload.get("sticker_id"):
            kind = MessageKind.STICKER
        elif name == "location":
            place = mapping(payload, "coordinates")
            return _Content(MessageKind.LOCATION, f"{text_of(place, 'lat')},{text_of(place, 'long')}")
        elif name in _FILES:
            kind = _FILES[name]
            files.append(Attachment(kind, text_of(payload, "url"), "", clean_text(text_of(payload, "title"), 100).text))
        else:
            # A shared post, a product, a story mention, or a type newer than this code.
            kind = MessageKind.TEXT if text else MessageKind.UNKNOWN
    return _Content(kind, text, tuple(files))


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
    up_to = _time(told.get("watermark"))
    named = [Receipt(settings.channel, settings.account, state, at, who, number) for number in numbers]
    marked = [Receipt(settings.channel, settings.account, state, at, who, up_to=up_to)] if up_to else []
    return (*named, *marked)


def _time(value: Any) -> datetime | None:
    """Read milliseconds since 1970."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None
