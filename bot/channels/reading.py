"""Reading what a platform tells of a message: fields that may hold anything, and the message made of them. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.channels.cleaning import clean_text
from bot.channels.degrade import MAX_PAYLOAD_BYTES
from bot.domain.errors import BadPayload
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender, sequence_of
from bot.domain.replies import Locale

_MAX_NAME_CHARS = 100
_MAX_DIGITS = 16


@dataclass(frozen=True, slots=True)
class Content:
    """What a message holds.

    ``words`` are the shopper's, or the label he pressed; ``payload`` is the pressed choice's, ``concerns`` the
    platform's id of the message that an edit, recall or reaction is about.
    """

    kind: MessageKind
    words: str = ""
    attachments: tuple[Attachment, ...] = ()
    payload: str = ""
    concerns: str = ""


UNREADABLE = Content(MessageKind.UNKNOWN)
"""A type newer than the code, or a message with nothing in it to read."""


def inbound(
    sender: Sender, dedupe_key: str, sent_at: datetime, content: Content, platform_id: str = ""
) -> InboundMessage:
    """Make a message of its content: words cleaned and bounded, a text with nothing to read is UNKNOWN.

    Its place in a burst is its time; what concerns another message has no id of its own to be referred to by.
    """
    words = clean_text(content.words)
    silent = content.kind is MessageKind.TEXT and not words.text
    return InboundMessage(
        sender=sender,
        dedupe_key=dedupe_key,
        kind=MessageKind.UNKNOWN if silent else content.kind,
        sent_at=sent_at,
        text=words.text,
        payload=content.payload,
        attachments=content.attachments,
        truncated=words.truncated,
        platform_id="" if content.concerns else platform_id,
        concerns=content.concerns,
        sequence=sequence_of(sent_at),
    )


def pressed(label: str, payload: str) -> Content:
    """Read a pressed choice; of a button that is not ours (the merchant's own menu) its words are what was said."""
    if payload_of(payload) != payload or not payload:
        return Content(MessageKind.TEXT, label)
    return Content(MessageKind.BUTTON, label or payload, payload=payload)


def payload_of(key: str) -> str:
    """Give the payload that the key of a menu or postback stands for; empty when it is none, or too long."""
    payload = key if key.startswith(("/", "=")) else f"/{key}"
    fits = len(payload.encode("utf-8", "surrogatepass")) <= MAX_PAYLOAD_BYTES
    return payload if key and fits else ""


def attached(kind: MessageKind, reference: str, mime: str = "", name: str = "", words: str = "") -> Content:
    """Read a file with the words under it; a picture sent as a document is a picture."""
    if kind is MessageKind.FILE and mime.startswith("image/"):
        kind = MessageKind.IMAGE
    return Content(kind, words, (Attachment(kind, reference, mime, one_line(name)),))


def in_words(content: Content) -> str:
    """Write a message as words: its own, or in brackets what it is."""
    return clean_text(content.words).text or f"[{content.kind.value}]"


def place(latitude: object, longitude: object, *names: str) -> Content:
    """Read where somebody is, with what the place is called."""
    return Content(MessageKind.LOCATION, " ".join([f"{latitude},{longitude}", *filter(None, names)]))


def one_line(name: str) -> str:
    """Make a name safe to show."""
    return clean_text(name.replace("\n", " "), _MAX_NAME_CHARS).text


def locale_of(tag: str) -> str:
    """Map a language tag (IETF) to a locale of ours, ``""`` when it is neither Chinese nor English."""
    tag = tag.strip().lower()
    if tag.startswith(("zh-hant", "zh-tw", "zh-hk", "zh-mo")):
        return Locale.ZH_HANT.value
    return next((each.value for each in (Locale.ZH, Locale.EN) if tag.startswith(each.value)), "")


def moment(holder: Any, key: str, per_second: int = 1) -> datetime | None:
    """Read a time inside an object, counted since 1970 in seconds or parts of them; None when it is none."""
    digits = text_of(holder, key)
    count = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS else 0
    try:
        return datetime.fromtimestamp(count / per_second, UTC) if count else None
    except (OverflowError, OSError, ValueError):
        return None


def read_object(body: bytes, platform: str) -> Mapping[str, Any]:
    """Read a webhook's JSON object; BadPayload when the body is none."""
    found = json_object(body)
    if found is None:
        raise BadPayload(f"the body is no JSON object; send the webhook object {platform} describes")
    return found


def json_object(body: bytes) -> Mapping[str, Any] | None:
    """Read a JSON object; None when the bytes are something else."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def mapping(value: Any, key: str) -> Mapping[str, Any]:
    """Give an object inside an object; empty when it is missing or something else."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def listing(value: Any, key: str) -> tuple[Mapping[str, Any], ...]:
    """Give the objects of a list inside an object; what is no object is passed over."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return tuple(item for item in found if isinstance(item, Mapping)) if isinstance(found, list) else ()


def text_of(value: Any, key: str) -> str:
    """Give a text or number inside an object as text; empty when it is missing or something else."""
    found = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return str(found)
