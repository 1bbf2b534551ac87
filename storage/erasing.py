"""Erasing a customer's attachments: their rows are emptied, and what messages, forms and tickets call them with them.

A row stays, so that pages can say that there was something and that it was erased, and so that a platform that delivers
the message again brings nothing back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, distinct, func, insert, select, update

from bot.domain import events as ev
from bot.domain.ids import ConversationId, CustomerId
from bot.domain.media import Erased, Erasure, Holding, MediaState
from bot.domain.tickets import TicketKind, TicketState
from storage import events
from storage.tables import CONVERSATIONS, EVENTS, IDENTITIES, INBOX, MEDIA, OUTBOX, TICKET_NOTES, TICKETS

_ASKED_AT_ONCE = 500
_PHOTOS = "photos"
_KEPT = MEDIA.c.state != MediaState.ERASED.value
_NOTHING = {
    "state": MediaState.ERASED.value,
    "reference": "",
    "name": "",
    "content": None,
    "mime": "",
    "size": 0,
    "reason": "",
}


def holding(on: Connection, customer_id: CustomerId) -> Holding:
    """Count what is kept of a customer."""
    counted = select(
        func.count(), func.count(distinct(MEDIA.c.conversation_id)), func.coalesce(func.sum(MEDIA.c.size), 0)
    )
    files, conversations, size = on.execute(counted.where(_own(customer_id), _KEPT)).one()
    return Holding(files, conversations, int(size))


def forget_customer(on: Connection, erasure: Erasure) -> Erased:
    """Empty the rows of a customer's conversations, what else names them, and put it on record."""
    _hold(on, erasure.customer_id)
    own = _own(erasure.customer_id)
    kept = on.execute(select(MEDIA.c.conversation_id, MEDIA.c.content).where(own, _KEPT)).all()
    counts = Counter(str(row[0]) for row in kept)
    contents = sorted({str(row[1]) for row in kept if row[1]})
    on.execute(update(MEDIA).where(own, _KEPT).values(_NOTHING))
    for conversation_id, files in sorted(counts.items()):
        _blank(on, conversation_id)
        said = ev.AttachmentsErased(files, erasure.by.id, erasure.by.display_name, erasure.reason)
        events.append(on, conversation_id, [said], erasure.at)
    if counts:
        _note(on, erasure, len(kept))
    return Erased(len(kept), tuple(ConversationId(each) for each in sorted(counts)), unneeded(on, contents))


def unneeded(on: Connection, contents: Sequence[str]) -> tuple[str, ...]:
    """Tell which of these contents no attachment has any more."""
    kept: set[str] = set()
    for start in range(0, len(contents), _ASKED_AT_ONCE):
        some = contents[start : start + _ASKED_AT_ONCE]
        kept |= {str(each) for each in on.execute(select(MEDIA.c.content).where(MEDIA.c.content.in_(some))).scalars()}
    return tuple(content for content in contents if content not in kept)


def _own(customer_id: CustomerId) -> Any:
    return MEDIA.c.conversation_id.in_(select(CONVERSATIONS.c.id).where(CONVERSATIONS.c.customer_id == customer_id))


def _hold(on: Connection, customer_id: CustomerId) -> None:
    """Hold the customer's conversations, in the order in which links hold them."""
    order = (IDENTITIES.c.channel, IDENTITIES.c.account, IDENTITIES.c.channel_user_id, CONVERSATIONS.c.id)
    on.execute(
        select(CONVERSATIONS.c.id)
        .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
        .where(CONVERSATIONS.c.customer_id == customer_id)
        .order_by(*order)
        .with_for_update(of=CONVERSATIONS)
    ).all()


def _blank(on: Connection, conversation_id: str) -> None:
    """Take names and references of attachments out of whatever the conversation has on record."""
    its = EVENTS.c.conversation_id == conversation_id
    _rewrite(on, EVENTS.c.data, its & (EVENTS.c.kind == ev.CustomerUttered.kind), _unnamed)
    _rewrite(on, EVENTS.c.data, its & (EVENTS.c.kind == ev.AgentUttered.kind), _unnamed_ours)
    _rewrite(on, EVENTS.c.data, its & (EVENTS.c.kind == ev.SlotSet.kind), _unfilled)
    _rewrite(on, INBOX.c.message, INBOX.c.conversation_id == conversation_id, _unnamed)
    _rewrite(on, OUTBOX.c.message, OUTBOX.c.conversation_id == conversation_id, _unnamed_ours)
    _rewrite(on, CONVERSATIONS.c.tracker, CONVERSATIONS.c.id == conversation_id, _without_photos)
    _rewrite(on, TICKETS.c.photos, TICKETS.c.conversation_id == conversation_id, _emptied)


def _rewrite(on: Connection, column: Column[Any], which: Any, change: Callable[[Any], Any]) -> None:
    (key,) = column.table.primary_key
    for number, data in on.execute(select(key, column).where(which)).all():
        changed = change(data)
        if changed != data:
            on.execute(update(column.table).where(key == number).values({column: changed}))


def _unnamed(message: dict[str, Any]) -> dict[str, Any]:
    """Give a shopper's message without the names of its attachments and without the platform's way to them."""
    blank = {"name": "", "reference": ""}
    return message | {"attachments": [each | blank for each in message.get("attachments", ())]}


def _unnamed_ours(message: dict[str, Any]) -> dict[str, Any]:
    """Give a message of ours without names; its references are our own numbers, by which pages find the row."""
    return message | {"attachments": [each | {"name": ""} for each in message.get("attachments", ())]}


def _unfilled(slot: dict[str, Any]) -> dict[str, Any]:
    return slot | {"value": _emptied(slot["value"])} if slot.get("slot") == _PHOTOS else slot


def _without_photos(tracker: dict[str, Any]) -> dict[str, Any]:
    slots = tracker.get("slots", {})
    return tracker | {"slots": slots | {_PHOTOS: _emptied(slots[_PHOTOS])}} if _PHOTOS in slots else tracker


def _emptied(photos: Any) -> Any:
    """Keep how many photos there were, and nothing else of them."""
    return [""] * len(photos) if isinstance(photos, list) else photos


def _note(on: Connection, erasure: Erasure, files: int) -> None:
    """Write it in the history of the customer's unfinished requests about their data."""
    asked = select(TICKETS.c.id).where(
        TICKETS.c.customer_id == erasure.customer_id,
        TICKETS.c.kind == TicketKind.PRIVACY.value,
        TICKETS.c.state.not_in([TicketState.SOLVED.value, TicketState.CLOSED.value]),
    )
    for ticket_id in on.execute(asked).scalars().all():
        note = {"author_id": erasure.by.id, "author_name": erasure.by.display_name, "text": erasure.reason}
        on.execute(insert(TICKET_NOTES), note | {"ticket_id": ticket_id, "change": {"erased": files}, "at": erasure.at})
