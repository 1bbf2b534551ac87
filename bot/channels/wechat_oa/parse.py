"""A callback's fields -> InboundMessage (pure).

Source: https://developers.weixin.qq.com/doc/offiaccount/Message_Management/Receiving_standard_messages.html and
.../Receiving_event_pushes.html (events have no MsgId and are told apart by sender, time and event).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from wechatpy.events import EVENT_TYPES
from wechatpy.messages import MESSAGE_TYPES, UnknownMessage

from bot.channels.cleaning import CleanText, clean_text
from bot.channels.wechat_oa.settings import CHANNEL
from bot.domain.errors import BadPayload
from bot.domain.messages import Attachment, InboundMessage, MessageKind, Sender, sequence_of

_MAX_KEY_CHARS = 200
_MAX_PAYLOAD_BYTES = 64
_OPENID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NUMBER = re.compile(r"[0-9]{1,20}")
_TIME = re.compile(r"[0-9]{1,10}")
_FOLLOWED = frozenset({"subscribe", "subscribe_scan", "subscribe_scan_product"})
# What happens without the shopper saying anything: reported places, opened links, results of mass messages, cards.
_SAID = _FOLLOWED | {"unsubscribe", "click", "scan"}
_SILENT_EVENTS = frozenset(EVENT_TYPES) - _SAID | {"view_miniprogram", "publishjobfinish"}


@dataclass(frozen=True, slots=True)
class ParsedCallback:
    """A message, or the reason why there is none."""

    message: InboundMessage | None
    ignored: str = ""


@dataclass(frozen=True, slots=True)
class _Content:
    kind: MessageKind
    words: str = ""
    attachment: Attachment | None = None
    payload: str = ""


def parse_callback(fields: Mapping[str, Any], account: str) -> ParsedCallback:
    """Make a message of a callback's fields; BadPayload when a field every callback has is missing or wrong."""
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    openid = texts.get("FromUserName", "")
    if not _OPENID.fullmatch(openid):
        raise BadPayload("the callback's FromUserName is missing or no OpenID; send the XML the platform describes")
    if not _TIME.fullmatch(texts.get("CreateTime", "")):
        raise BadPayload("the callback's CreateTime is missing or not a number of seconds")
    if not texts.get("MsgType"):
        raise BadPayload("the callback's MsgType is missing; send the XML the platform describes")
    event = _event_type(texts)
    if event in _SILENT_EVENTS:
        return ParsedCallback(None, f"event {event}")
    content = _of_event(event, texts) if event else _of_message(texts)
    words = clean_text(content.words)
    sent_at = datetime.fromtimestamp(int(texts["CreateTime"]), UTC)
    message = InboundMessage(
        sender=Sender(CHANNEL, account, openid, locale_hint=""),
        dedupe_key=_dedupe_key(texts),
        kind=content.kind,
        sent_at=sent_at,
        text=words.text,
        payload=content.payload,
        attachments=(content.attachment,) if content.attachment else (),
        platform_id=texts.get("MsgId", "") if content.kind is not MessageKind.BUTTON else "",
        truncated=words.truncated,
        sequence=sequence_of(sent_at),
    )
    return ParsedCallback(_readable(message, words))


def _readable(message: InboundMessage, words: CleanText) -> InboundMessage:
    """Call a text with nothing to read UNKNOWN."""
    if message.kind is MessageKind.TEXT and not words.text:
        return InboundMessage(message.sender, message.dedupe_key, MessageKind.UNKNOWN, message.sent_at)
    return message


def _event_type(texts: Mapping[str, str]) -> str:
    """Name the event in lower case, ``""`` for a message."""
    if texts["MsgType"].lower() != "event":
        return ""
    return texts.get("Event", "").lower() or "unknown"


def _of_event(event: str, texts: Mapping[str, str]) -> _Content:
    if event in _FOLLOWED or event == "scan":
        # A follower who scans a code has come anew: he is greeted, and what he may be sent opens as for a new one.
        return _Content(MessageKind.FOLLOW)
    if event == "unsubscribe":
        return _Content(MessageKind.UNFOLLOW)
    if event == "click":
        key = texts.get("EventKey", "")
        payload = key if key.startswith(("/", "=")) else f"/{key}"
        if key and len(payload.encode()) <= _MAX_PAYLOAD_BYTES:
            return _Content(MessageKind.BUTTON, words=key, payload=payload)
    return _Content(MessageKind.UNKNOWN)


def _of_message(texts: Mapping[str, str]) -> _Content:
    message = MESSAGE_TYPES.get(texts["MsgType"].lower(), UnknownMessage)(dict(texts))
    read = _READERS.get(message.type)
    return read(message) if read else _Content(MessageKind.UNKNOWN)


def _text(message: Any) -> _Content:
    return _Content(MessageKind.TEXT, message.content or "")


def _image(message: Any) -> _Content:
    return _media(MessageKind.IMAGE, message, "image/jpeg")


def _voice(message: Any) -> _Content:
    # The platform's own speech recognition, when the account has it switched on.
    attachment = Attachment(MessageKind.VOICE, message.media_id or "", f"audio/{message.format or 'amr'}")
    return _Content(MessageKind.VOICE, message.recognition or "", attachment)


def _video(message: Any) -> _Content:
    return _media(MessageKind.VIDEO, message, "video/mp4")


def _location(message: Any) -> _Content:
    place = f"{message.location_x or ''},{message.location_y or ''} {message.label or ''}"
    return _Content(MessageKind.LOCATION, place)


def _link(message: Any) -> _Content:
    return _Content(MessageKind.TEXT, "\n".join(part for part in (message.title, message.url) if part))


def _media(kind: MessageKind, message: Any, mime: str) -> _Content:
    return _Content(kind, attachment=Attachment(kind, message.media_id or "", mime))


_READERS: dict[str, Callable[[Any], _Content]] = {
    "text": _text,
    "image": _image,
    "voice": _voice,
    "video": _video,
    "shortvideo": _video,
    "location": _location,
    "link": _link,
}


def _dedupe_key(texts: Mapping[str, str]) -> str:
    number = texts.get("MsgId", "")
    if _NUMBER.fullmatch(number) and number != "0":
        return f"msg:{number}"
    names = ("FromUserName", "CreateTime", "MsgType", "Event", "EventKey")
    key = ":".join(["event", *(texts.get(name, "") for name in names)])
    if len(key) <= _MAX_KEY_CHARS:
        return key
    return f"event:{hashlib.sha256(key.encode()).hexdigest()}"
