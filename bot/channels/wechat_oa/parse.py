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

from bot.channels.reading import UNREADABLE, Content, attached, inbound, payload_of, place
from bot.channels.wechat_oa.settings import CHANNEL
from bot.domain.errors import BadPayload
from bot.domain.messages import InboundMessage, MessageKind, Sender

_MAX_KEY_CHARS = 200
_OPENID = re.compile(r"[A-Za-z0-9_-]{1,128}")
_NUMBER = re.compile(r"[0-9]{1,20}")
_TIME = re.compile(r"[0-9]{1,10}")
_FOLLOWED = frozenset({"subscribe", "subscribe_scan", "subscribe_scan_product"})
# Source: .../Message_Management/Service_Center_messages.html (of the menu's entries only these let us send).
_PRESSED = frozenset({"click", "scancode_push", "scancode_waitmsg"})
# What happens without the shopper saying anything: reported places, opened links, results of mass messages, cards.
_SAID = _FOLLOWED | _PRESSED | {"unsubscribe", "scan"}
_SILENT_EVENTS = frozenset(EVENT_TYPES) - _SAID | {"view_miniprogram", "publishjobfinish"}


@dataclass(frozen=True, slots=True)
class ParsedCallback:
    """A message, or the reason why there is none."""

    message: InboundMessage | None
    ignored: str = ""


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
    sent_at = datetime.fromtimestamp(int(texts["CreateTime"]), UTC)
    number = texts.get("MsgId", "") if content.kind is not MessageKind.BUTTON else ""
    return ParsedCallback(inbound(Sender(CHANNEL, account, openid), _dedupe_key(texts), sent_at, content, number))


def _event_type(texts: Mapping[str, str]) -> str:
    """Name the event in lower case, ``""`` for a message."""
    if texts["MsgType"].lower() != "event":
        return ""
    return texts.get("Event", "").lower() or "unknown"


def _of_event(event: str, texts: Mapping[str, str]) -> Content:
    if event in _FOLLOWED or event == "scan":
        # A follower who scans a code has come anew: he is greeted, and what he may be sent opens as for a new one.
        return Content(MessageKind.FOLLOW)
    if event == "unsubscribe":
        return Content(MessageKind.UNFOLLOW)
    if event in _PRESSED:
        key = texts.get("EventKey", "")
        payload = payload_of(key)
        return Content(MessageKind.BUTTON, key, payload=payload) if payload else UNREADABLE
    return UNREADABLE


def _of_message(texts: Mapping[str, str]) -> Content:
    message = MESSAGE_TYPES.get(texts["MsgType"].lower(), UnknownMessage)(dict(texts))
    read = _READERS.get(message.type)
    return read(message) if read else UNREADABLE


def _text(message: Any) -> Content:
    return Content(MessageKind.TEXT, message.content or "")


def _image(message: Any) -> Content:
    return attached(MessageKind.IMAGE, message.media_id or "", "image/jpeg")


def _voice(message: Any) -> Content:
    # The platform's own speech recognition, when the account has it switched on.
    mime = f"audio/{message.format or 'amr'}"
    return attached(MessageKind.VOICE, message.media_id or "", mime, words=message.recognition or "")


def _video(message: Any) -> Content:
    return attached(MessageKind.VIDEO, message.media_id or "", "video/mp4")


def _location(message: Any) -> Content:
    return place(message.location_x or "", message.location_y or "", message.label or "")


def _link(message: Any) -> Content:
    return Content(MessageKind.TEXT, "\n".join(part for part in (message.title, message.url) if part))


_READERS: dict[str, Callable[[Any], Content]] = {
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
    if _NUMBER.fullmatch(number) and number != "0" and texts["MsgType"].lower() != "event":
        return f"msg:{number}"
    names = ("FromUserName", "CreateTime", "MsgType", "Event", "EventKey")
    key = ":".join(["event", *(texts.get(name, "") for name in names)])
    if len(key) <= _MAX_KEY_CHARS:
        return key
    return f"event:{hashlib.sha256(key.encode()).hexdigest()}"
