"""A pulled batch -> InboundMessages, failures and session changes (pure).

Source: https://developer.work.weixin.qq.com/document/path/94670 (sync_msg: message types, ``origin`` 3 customer,
4 event, 5 WeCom's staff) and its section on events.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from bot.channels.cleaning import clean_text
from bot.channels.reading import (
    UNREADABLE,
    Content,
    attached,
    inbound,
    listing,
    mapping,
    moment,
    one_line,
    place,
    pressed,
    text_of,
)
from bot.channels.wecom_kf.sessions import OWNERS, TAKEN_AGAIN
from bot.channels.wecom_kf.settings import CHANNEL
from bot.domain.channel_ports import Refusal, Refused
from bot.domain.conversation import Owner
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.domain.staff import StaffWords, ThreadMove

MAX_CURSOR_CHARS = 512
_FROM_CUSTOMER, _FROM_STAFF = "3", "5"
_ID = re.compile(r"[A-Za-z0-9_\-@.]{1,128}")

# Source: /path/94670, event ``msg_send_fail``.
_FAILURES = {
    "0": (Refusal.FAILED, "the platform did not deliver it and does not say why"),
    "1": (Refusal.OTHER, "the customer-service account was deleted"),
    "2": (Refusal.OTHER, "the application is closed"),
    "4": (Refusal.WINDOW, "more than 48 hours since the customer's last message"),
    "5": (Refusal.WINDOW, "the session has been closed"),
    "6": (Refusal.QUOTA, "more than five messages since the customer's last one"),
    "7": (Refusal.OTHER, "no Channels account is bound"),
    "8": (Refusal.OTHER, "the company is not verified"),
    "9": (Refusal.OTHER, "no Channels account is bound and the company is not verified"),
    "10": (Refusal.BLOCKED, "the customer refuses messages"),
}


@dataclass(frozen=True, slots=True)
class SendFailure:
    """A message the platform took and did not deliver."""

    platform_id: str
    why: Refused


Entry = InboundMessage | SendFailure | ThreadMove | StaffWords


@dataclass(frozen=True, slots=True)
class Batch:
    """What one pull brought, in the platform's order; ``ignored`` counts what says nothing to us, by its kind."""

    entries: tuple[Entry, ...]
    next_cursor: str
    has_more: bool
    ignored: Mapping[str, int]


def parse_batch(data: Mapping[str, Any], now: datetime) -> Batch:
    """Read an answer of ``sync_msg``; whatever an entry holds, it is a message, an event, or counted as ignored."""
    found = [
        _event(raw, now) if text_of(raw, "msgtype") == "event" else _message(raw, now)
        for raw in listing(data, "msg_list")
    ]
    return Batch(
        entries=tuple(each for each in found if not isinstance(each, str)),
        next_cursor=text_of(data, "next_cursor")[:MAX_CURSOR_CHARS],
        has_more=text_of(data, "has_more") == "1",
        ignored=Counter(each for each in found if isinstance(each, str)),
    )


def _message(raw: Mapping[str, Any], now: datetime) -> InboundMessage | StaffWords | str:
    origin, sender, key = text_of(raw, "origin"), _sender(raw), _id(raw, "msgid")
    if origin not in {_FROM_CUSTOMER, _FROM_STAFF} or sender is None or not key:
        return "no message of a customer"
    kind = text_of(raw, "msgtype")
    read = _READERS.get(kind)
    content = read(mapping(raw, kind)) if read else UNREADABLE
    at = _time(raw, now)
    if origin == _FROM_STAFF:
        said = clean_text(content.words).text or f"[{content.kind.value}]"
        return StaffWords(sender, key, said, _id(raw, "servicer_userid"), at)
    # A pull brings its messages in order: their places are those in it.
    return replace(inbound(sender, key, at, content, key), sequence=0)


def _event(raw: Mapping[str, Any], now: datetime) -> Entry | str:
    event = mapping(raw, "event")
    kind = text_of(event, "event_type")
    sender, key, at = _sender(event), _id(raw, "msgid"), _time(raw, now)
    found: Entry | None = None
    if kind == "msg_send_fail":
        found = _failure(event)
    elif sender is None or not key:
        found = None
    elif kind == "enter_session" and text_of(event, "welcome_code"):
        found = InboundMessage(sender, key, MessageKind.FOLLOW, at, reply_token=text_of(event, "welcome_code"))
    elif kind == "user_recall_msg" and text_of(event, "recall_msgid"):
        found = InboundMessage(sender, key, MessageKind.RECALL, at, concerns=_id(event, "recall_msgid"))
    elif kind == "session_status_change":
        found = _move(event, sender, key, at)
    return found or f"event {kind[:40] or 'unknown'}"


def _failure(event: Mapping[str, Any]) -> SendFailure | None:
    number, platform_id = text_of(event, "fail_type"), _id(event, "fail_msgid")
    refusal, reason = _FAILURES.get(number, _FAILURES["0"])
    why = Refused(f"{reason} (fail_type {number[:10] or 'missing'})", refusal)
    return SendFailure(platform_id, why) if platform_id else None


def _move(event: Mapping[str, Any], sender: Sender, key: str, at: datetime) -> ThreadMove | None:
    change = text_of(event, "change_type")
    owner, by = OWNERS.get(change), _id(event, "new_servicer_userid")
    code = text_of(event, "msg_code") if owner is Owner.RESOLVED else ""
    return ThreadMove(sender, owner, at, by, key, begins=change == TAKEN_AGAIN, end_code=code) if owner else None


def _sender(holder: Mapping[str, Any]) -> Sender | None:
    account, customer = text_of(holder, "open_kfid"), text_of(holder, "external_userid")
    return Sender(CHANNEL, account, customer) if _ID.fullmatch(account) and _ID.fullmatch(customer) else None


def _id(holder: Mapping[str, Any], name: str) -> str:
    return one_line(text_of(holder, name))


def _time(raw: Mapping[str, Any], now: datetime) -> datetime:
    return moment(raw, "send_time") or now


def _text(body: Mapping[str, Any]) -> Content:
    return pressed(text_of(body, "content"), text_of(body, "menu_id"))


def _media(kind: MessageKind, mime: str) -> Callable[[Mapping[str, Any]], Content]:
    def read(body: Mapping[str, Any]) -> Content:
        return attached(kind, text_of(body, "media_id")[:512], mime)

    return read


def _location(body: Mapping[str, Any]) -> Content:
    return place(*(text_of(body, key) for key in ("latitude", "longitude", "name", "address")))


def _titled(*names: str) -> Callable[[Mapping[str, Any]], Content]:
    def read(body: Mapping[str, Any]) -> Content:
        return Content(MessageKind.TEXT, "\n".join(part for name in names if (part := text_of(body, name))))

    return read


def _menu(body: Mapping[str, Any]) -> Content:
    items = [text_of(mapping(item, text_of(item, "type")), "content") for item in listing(body, "list")]
    lines = [text_of(body, "head_content"), *items, text_of(body, "tail_content")]
    return Content(MessageKind.TEXT, "\n".join(line for line in lines if line))


def _merged(body: Mapping[str, Any]) -> Content:
    items = [f"{text_of(item, 'sender_name')}: {text_of(item, 'msg_content')[:500]}" for item in listing(body, "item")]
    return Content(MessageKind.TEXT, "\n".join([text_of(body, "title"), *items]))


def _card(body: Mapping[str, Any]) -> Content:
    # The card's id tells a shopper's words as little as a picture does: it is kept, and recorded as not readable.
    return Content(MessageKind.UNKNOWN, text_of(body, "userid"))


_READERS: dict[str, Callable[[Mapping[str, Any]], Content]] = {
    "text": _text,
    "image": _media(MessageKind.IMAGE, "image/jpeg"),
    "voice": _media(MessageKind.VOICE, "audio/amr"),
    "video": _media(MessageKind.VIDEO, "video/mp4"),
    "file": _media(MessageKind.FILE, "application/octet-stream"),
    "location": _location,
    "link": _titled("title", "desc", "url"),
    "business_card": _card,
    "miniprogram": _titled("title", "pagepath"),
    "msgmenu": _menu,
    "channels_shop_product": _titled("title"),
    "channels_shop_order": _titled("order_id", "product_titles", "price_wording"),
    "merged_msg": _merged,
    "channels": _titled("nickname", "title"),
}
