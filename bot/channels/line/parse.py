"""LINE's webhook events -> InboundMessage (pure).

Source: https://developers.line.biz/en/reference/messaging-api/#webhook-event-objects
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from bot.channels.reading import (
    UNREADABLE,
    Content,
    attached,
    inbound,
    listing,
    mapping,
    moment,
    payload_of,
    place,
    read_object,
    text_of,
)
from bot.domain.errors import BadPayload
from bot.domain.messages import InboundMessage, MessageKind, Sender

CHANNEL = "line"
_MAX_EVENTS = 1000
_MILLISECONDS = 1000
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
    """A message, or the reason why there is none."""

    message: InboundMessage | None
    ignored: str = ""


def parse_webhook(body: bytes, account: str) -> tuple[ParsedEvent, ...]:
    """Read every event of a verified body; BadPayload when it is no webhook of LINE.

    An event that cannot be read is passed over with its reason: the others of its batch must not be lost with it.
    """
    events = read_object(body, "LINE").get("events")
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
    sent_at = moment(event, "timestamp", _MILLISECONDS)
    if not address or not key or sent_at is None or not kind:
        return ParsedEvent(None, ignored="malformed")
    if in_group and not _addressed(event):
        return ParsedEvent(None, ignored="said in a group, not to the bot")
    number = text_of(mapping(event, "message"), "id")
    message = inbound(Sender(CHANNEL, account, address), key, sent_at, _content(kind, event), number)
    # A repeated delivery comes late: its token is most likely used or spent.
    fresh = mapping(event, "deliveryContext").get("isRedelivery") is not True
    return ParsedEvent(replace(message, reply_token=text_of(event, "replyToken") if fresh else ""))


def _address(event: Mapping[str, Any]) -> tuple[str, bool]:
    """Give the person's address (``group/person`` in groups) and whether it is a group's."""
    source = mapping(event, "source")
    person = text_of(source, "userId")
    group = text_of(source, _PLACES.get(text_of(source, "type"), "none"))
    if group:
        return (f"{group}/{person}" if person else ""), True
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


def _content(kind: str, event: Mapping[str, Any]) -> Content:
    if kind == "message":
        return _of_message(mapping(event, "message"))
    if kind == "postback":
        data = text_of(mapping(event, "postback"), "data")
        payload = payload_of(data)
        return Content(MessageKind.BUTTON, data, payload=payload) if payload else UNREADABLE
    if kind == "unsend":
        return Content(MessageKind.RECALL, concerns=text_of(mapping(event, "unsend"), "messageId"))
    if kind in {"follow", "unfollow"}:
        return Content(MessageKind.FOLLOW if kind == "follow" else MessageKind.UNFOLLOW)
    return UNREADABLE


def _of_message(message: Mapping[str, Any]) -> Content:
    name = text_of(message, "type")
    if name in _FILES:
        kind, mime = _FILES[name]
        # What lies on somebody else's server is not fetched from there: LINE does not have it.
        theirs = text_of(mapping(message, "contentProvider"), "type") == "external"
        return attached(kind, "" if theirs else text_of(message, "id"), mime, text_of(message, "fileName"))
    read = _READERS.get(name)
    return read(message) if read else UNREADABLE


def _text(message: Mapping[str, Any]) -> Content:
    text = text_of(message, "text")
    for one in listing(mapping(message, "mention"), "mentionees"):
        start, length = one.get("index"), one.get("length")
        if one.get("isSelf") is True and isinstance(start, int) and isinstance(length, int) and start >= 0 < length:
            return Content(MessageKind.TEXT, _without(text, start, length))
    return Content(MessageKind.TEXT, text)


def _without(text: str, start: int, length: int) -> str:
    """Cut a mention out; LINE counts UTF-16 code units, of two bytes."""
    units = text.encode("utf-16-le", "surrogatepass")
    return (units[: 2 * start] + units[2 * (start + length) :]).decode("utf-16-le", "replace")


def _sticker(message: Mapping[str, Any]) -> Content:
    # The sticker's own words where it has them (message stickers), else what it shows; none: just a sticker.
    keywords = message.get("keywords")
    first = keywords[0] if isinstance(keywords, list) and keywords and isinstance(keywords[0], str) else ""
    return Content(MessageKind.STICKER, text_of(message, "text") or first)


def _location(message: Mapping[str, Any]) -> Content:
    return place(*(text_of(message, key) for key in ("latitude", "longitude", "title", "address")))


_READERS: dict[str, Callable[[Mapping[str, Any]], Content]] = {
    "text": _text,
    "sticker": _sticker,
    "location": _location,
}
