"""LINE's webhook events -> InboundMessage (pure).

Source: https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bot.channels._api import listing, mapping, text_of
from bot.channels.cleaning import clean_text
from bot.channels.line.settings import CHANNEL
from bot.domain.errors import BadPayload
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender, sequence_of

_MAX_PAYLOAD_BYTES = 64
_MAX_EVENTS = 1000
# What happens without the shopper saying anything to us.
_SILENT = frozenset(
    {"join", "leave", "memberJoined", "memberLeft", "videoPlayComplete", "beacon", "accountLink", "things",
     "module", "activated", "deactivated", "botSuspended", "botResumed", "delivery", "membership"}
)  # fmt: skip
_PLACES = {"group": "groupId", "room": "roomId"}
_FILES = {
    "image": (MessageKind.IMAGE, "image/jpeg"),
    "video": (MessageKind.VIDEO, "video/mp4"),
    "audio": (MessageKind.VOICE, "audio/m4a"),
    "file": (MessageKind.FILE, ""),
}


@dataclass(frozen=True, slots=True)
class ParsedEvent:
    """A message with the token that answers it (``""``: none), or the reason why there is no message."""

    message: InboundMessage | None
    reply_token: str = ""
    ignored: str = ""


@dataclass(frozen=True, slots=True)
class _Content:
    kind: MessageKind
    words: str = ""
    attachment: Attachment | None = None
    payload: str = ""
    concerns: str = ""


def parse_webhook(body: bytes, account: str) -> tuple[ParsedEvent, ...]:
    """Read every event of a verified body; BadPayload when it is no webhook of LINE.

    An event that cannot be read is passed over with its reason: the others of its batch must not be lost with it.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadPayload("the body is not JSON; send the webhook object LINE describes") from error
    events = data.get("events") if isinstance(data, dict) else None
    if not isinstance(events, list) or len(events) > _MAX_EVENTS:
        raise BadPayload("the body has no list of events; send the webhook object LINE describes")
    return tuple(_read(event, account) for event in events)


def _read(event: Any, account: str) -> ParsedEvent:
    if not isinstance(event, Mapping):
        return ParsedEvent(None, ignored="malformed")
    kind = text_of(event, "type")
    if event.get("mode") == "standby":
        # Another module channel answers this chat; a reply of ours would speak over it.
        return ParsedEvent(None, ignored="standby")
    if kind in _SILENT:
        return ParsedEvent(None, ignored=f"event {kind}")
    address, in_group = _address(event)
    key = _dedupe_key(event)
    sent_at = _time(event)
    if not address or not key or sent_at is None or not kind:
        return ParsedEvent(None, ignored="malformed")
    if in_group and not _addressed(event):
        return ParsedEvent(None, ignored="said in a group, not to the bot")
    content = _content(kind, event)
    words = clean_text(content.words)
    shown = MessageKind.UNKNOWN if content.kind is MessageKind.TEXT and not words.text else content.kind
    message = InboundMessage(
        sender=Sender(CHANNEL, account, address),
        dedupe_key=key,
        kind=shown,
        sent_at=sent_at,
        text=words.text,
        payload=content.payload,
        attachments=(content.attachment,) if content.attachment else (),
        truncated=words.truncated,
        platform_id=text_of(mapping(event, "message"), "id"),
        concerns=content.concerns,
        sequence=sequence_of(sent_at),
    )
    # A repeated delivery comes late: its token is most likely used or spent.
    fresh = mapping(event, "deliveryContext").get("isRedelivery") is not True
    return ParsedEvent(message, text_of(event, "replyToken") if fresh else "")


def _address(event: Mapping[str, Any]) -> tuple[str, bool]:
    """Give the person's address (``group/person`` in groups) and whether it is a group's."""
    source = mapping(event, "source")
    person = text_of(source, "userId")
    place = text_of(source, _PLACES.get(text_of(source, "type"), "none"))
    if place:
        return (f"{place}/{person}" if person else ""), True
    return person, False


def _addressed(event: Mapping[str, Any]) -> bool:
    """Tell whether a group's event speaks to the bot: it is mentioned, or its button was pressed."""
    if event.get("type") in {"postback", "unsend"}:
        return True  # what was taken back may have been said to the bot
    named = listing(mapping(mapping(event, "message"), "mention"), "mentionees")
    return any(one.get("isSelf") is True for one in named)


def _dedupe_key(event: Mapping[str, Any]) -> str:
    number = text_of(event, "webhookEventId")
    if number:
        return f"event:{number}"
    message = text_of(mapping(event, "message"), "id")
    return f"message:{message}" if message else ""


def _time(event: Mapping[str, Any]) -> datetime | None:
    value = event.get("timestamp")
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    try:
        return datetime.fromtimestamp(value / 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _content(kind: str, event: Mapping[str, Any]) -> _Content:
    if kind == "message":
        return _of_message(mapping(event, "message"))
    if kind == "postback":
        return _of_postback(text_of(mapping(event, "postback"), "data"))
    if kind == "unsend":
        return _Content(MessageKind.RECALL, concerns=text_of(mapping(event, "unsend"), "messageId"))
    if kind in {"follow", "unfollow"}:
        return _Content(MessageKind.FOLLOW if kind == "follow" else MessageKind.UNFOLLOW)
    return _Content(MessageKind.UNKNOWN)


def _of_postback(data: str) -> _Content:
    payload = data if data.startswith(("/", "=")) else f"/{data}"
    if not data or len(payload.encode("utf-8", "surrogatepass")) > _MAX_PAYLOAD_BYTES:
        return _Content(MessageKind.UNKNOWN)
    return _Content(MessageKind.BUTTON, words=data, payload=payload)


def _of_message(message: Mapping[str, Any]) -> _Content:
    name = text_of(message, "type")
    if name in _FILES:
        kind, mime = _FILES[name]
        shown_name = clean_text(text_of(message, "fileName").replace("\n", " "), 100).text
        # What lies on somebody else's server is not fetched from there: LINE does not have it.
        theirs = text_of(mapping(message, "contentProvider"), "type") == "external"
        number = "" if theirs else text_of(message, "id")
        return _Content(kind, attachment=Attachment(kind, number, mime, shown_name))
    read = _READERS.get(name)
    return read(message) if read else _Content(MessageKind.UNKNOWN)


def _text(message: Mapping[str, Any]) -> _Content:
    text = text_of(message, "text")
    for one in listing(mapping(message, "mention"), "mentionees"):
        start, length = one.get("index"), one.get("length")
        if one.get("isSelf") is True and isinstance(start, int) and isinstance(length, int) and start >= 0 < length:
            return _Content(MessageKind.TEXT, _without(text, start, length))
    return _Content(MessageKind.TEXT, text)


def _without(text: str, start: int, length: int) -> str:
    """Cut a mention out; LINE counts UTF-16 code units, of two bytes."""
    units = text.encode("utf-16-le", "surrogatepass")
    return (units[: 2 * start] + units[2 * (start + length) :]).decode("utf-16-le", "replace")


def _sticker(message: Mapping[str, Any]) -> _Content:
    # The sticker's own words where it has them (message stickers), else what it shows; none: just a sticker.
    keywords = message.get("keywords")
    first = keywords[0] if isinstance(keywords, list) and keywords and isinstance(keywords[0], str) else ""
    return _Content(MessageKind.STICKER, text_of(message, "text") or first)


def _location(message: Mapping[str, Any]) -> _Content:
    place = " ".join(part for part in (text_of(message, "title"), text_of(message, "address")) if part)
    return _Content(MessageKind.LOCATION, f"{text_of(message, 'latitude')},{text_of(message, 'longitude')} {place}")


_READERS: dict[str, Callable[[Mapping[str, Any]], _Content]] = {
    "text": _text,
    "sticker": _sticker,
    "location": _location,
}
