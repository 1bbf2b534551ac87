"""A pulled batch -> InboundMessages, failures and session changes (pure).

Source: https://developer.work.weixin.qq.com/document/path/94670 (sync_msg: message types, ``origin`` 3 customer,
4 event, 5 WeCom's staff) and its section on events.
"""

from __future__ import annotations

import re
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
    payload_of,
    place,
    text_of,
)
from bot.channels.wecom_kf.sessions import TAKEN_AGAIN, owner_after
from bot.channels.wecom_kf.settings import CHANNEL
from bot.domain.channel_ports import Refusal
from bot.domain.conversation import Owner
from bot.domain.messages import InboundMessage, MessageKind, Sender
from bot.domain.staff import StaffWords

MAX_CURSOR_CHARS = 512
_FROM_CUSTOMER, _FROM_STAFF = 3, 5
_MAX_ID_CHARS = 200
_ID = re.compile(r"[A-Za-z0-9_\-@.]{1,128}")

# Source: /path/94670, event ``msg_send_fail``.
_FAILURES = {
    0: (Refusal.FAILED, "the platform did not deliver it and does not say why"),
    1: (Refusal.OTHER, "the customer-service account was deleted"),
    2: (Refusal.OTHER, "the application is closed"),
    4: (Refusal.WINDOW, "more than 48 hours since the customer's last message"),
    5: (Refusal.WINDOW, "the session has been closed"),
    6: (Refusal.QUOTA, "more than five messages since the customer's last one"),
    7: (Refusal.OTHER, "no Channels account is bound"),
    8: (Refusal.OTHER, "the company is not verified"),
    9: (Refusal.OTHER, "no Channels account is bound and the company is not verified"),
    10: (Refusal.BLOCKED, "the customer refuses messages"),
}


@dataclass(frozen=True, slots=True)
class SendFailure:
    """A message the platform took and did not deliver."""

    platform_id: str
    kind: Refusal
    reason: str


@dataclass(frozen=True, slots=True)
class SessionChange:
    """A session that changed hands at the platform; ``by`` is the staff member there, ``event_id`` the event's.

    ``begins``: they took it by writing to a customer whose session was over.
    """

    open_kfid: str
    customer: str
    owner: Owner
    at: datetime
    event_id: str
    by: str = ""
    begins: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """What one pull brought; ``ignored`` counts entries that say nothing to us, by their kind."""

    messages: tuple[InboundMessage, ...]
    failures: tuple[SendFailure, ...]
    changes: tuple[SessionChange, ...]
    next_cursor: str
    has_more: bool
    ignored: Mapping[str, int]
    staff: tuple[StaffWords, ...] = ()


_Entry = InboundMessage | SendFailure | SessionChange | StaffWords


def parse_batch(data: Mapping[str, Any], now: datetime) -> Batch:
    """Read an answer of ``sync_msg``; whatever an entry holds, it is a message, an event, or counted as ignored."""
    entries: list[_Entry] = []
    ignored: dict[str, int] = {}
    for raw in listing(data, "msg_list"):
        found = _event(raw, now) if text_of(raw, "msgtype") == "event" else _message(raw, now)
        if isinstance(found, str):
            ignored[found] = ignored.get(found, 0) + 1
        else:
            entries.append(found)
    return Batch(
        messages=tuple(each for each in entries if isinstance(each, InboundMessage)),
        failures=tuple(each for each in entries if isinstance(each, SendFailure)),
        changes=tuple(each for each in entries if isinstance(each, SessionChange)),
        staff=tuple(each for each in entries if isinstance(each, StaffWords)),
        next_cursor=text_of(data, "next_cursor")[:MAX_CURSOR_CHARS],
        has_more=text_of(data, "has_more") == "1",
        ignored=ignored,
    )


def _message(raw: Mapping[str, Any], now: datetime) -> InboundMessage | StaffWords | str:
    origin = text_of(raw, "origin")
    account, customer, key = (text_of(raw, name) for name in ("open_kfid", "external_userid", "msgid"))
    known_origin = origin in {str(_FROM_CUSTOMER), str(_FROM_STAFF)}
    if not known_origin or not all(_ID.fullmatch(each) for each in (account, customer)) or not key:
        return "no message of a customer"
    kind = text_of(raw, "msgtype")
    read = _READERS.get(kind)
    content = read(mapping(raw, kind)) if read else UNREADABLE
    sender, at = Sender(CHANNEL, account, customer), _time(raw, now)
    if origin == str(_FROM_STAFF):
        said = clean_text(content.words).text or f"[{content.kind.value}]"
        return StaffWords(sender, key[:_MAX_ID_CHARS], said, text_of(raw, "servicer_userid")[:64], at)
    # A pull brings its messages in order: their places are those in it.
    return replace(inbound(sender, key, at, content, key), sequence=0)


def _event(raw: Mapping[str, Any], now: datetime) -> _Entry | str:
    event = mapping(raw, "event")
    kind = text_of(event, "event_type")
    account, customer = text_of(event, "open_kfid"), text_of(event, "external_userid")
    if kind == "msg_send_fail" and text_of(event, "fail_msgid"):
        number = text_of(event, "fail_type")
        refusal, reason = _FAILURES.get(int(number) if number.isdecimal() else 0, _FAILURES[0])
        return SendFailure(text_of(event, "fail_msgid"), refusal, f"{reason} (fail_type {number or 'missing'})")
    if not (_ID.fullmatch(account) and _ID.fullmatch(customer)):
        return f"event {kind[:40] or 'unknown'}"
    if kind == "enter_session" and text_of(event, "welcome_code") and text_of(raw, "msgid"):
        return InboundMessage(
            sender=Sender(CHANNEL, account, customer),
            dedupe_key=text_of(raw, "msgid"),
            kind=MessageKind.FOLLOW,
            sent_at=_time(raw, now),
            reply_token=text_of(event, "welcome_code"),
        )
    if kind == "user_recall_msg" and text_of(event, "recall_msgid"):
        number = text_of(event, "recall_msgid")
        return InboundMessage(
            sender=Sender(CHANNEL, account, customer),
            dedupe_key=text_of(raw, "msgid") or f"recall:{number}",
            kind=MessageKind.RECALL,
            sent_at=_time(raw, now),
            concerns=number,
        )
    if kind == "session_status_change":
        number = text_of(event, "change_type")
        owner = owner_after(int(number)) if number.isdecimal() else None
        if owner is not None:
            by = text_of(event, "new_servicer_userid")[:64]
            told = (_time(raw, now), text_of(raw, "msgid") or f"{kind}:{number}")
            return SessionChange(account, customer, owner, *told, by, begins=number == str(TAKEN_AGAIN))
    return f"event {kind[:40] or 'unknown'}"


def _time(raw: Mapping[str, Any], now: datetime) -> datetime:
    return moment(raw, "send_time") or now


def _text(body: Mapping[str, Any]) -> Content:
    payload = payload_of(text_of(body, "menu_id"))
    return Content(MessageKind.BUTTON if payload else MessageKind.TEXT, text_of(body, "content"), payload=payload)


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
