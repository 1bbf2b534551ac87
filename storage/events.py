"""Events as rows: appended here, read back here, never changed (``storage.erasing`` blanks what is erased)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, bindparam, func, insert, select

from bot.domain import events as ev
from storage.tables import EVENTS

_ASKED_AT_ONCE = 500
_APPEND = insert(EVENTS)
_APPEND_RETURNING = _APPEND.returning(EVENTS.c.seq, sort_by_parameter_order=True)
_LAST = select(func.coalesce(func.max(EVENTS.c.seq), 0))
_AFTER = (
    select(EVENTS.c.seq, EVENTS.c.at, EVENTS.c.kind, EVENTS.c.data)
    .where(EVENTS.c.conversation_id == bindparam("conversation"), EVENTS.c.seq > bindparam("after"))
    .order_by(EVENTS.c.seq)
)
_OF_SEVERAL = (
    select(EVENTS.c.conversation_id, EVENTS.c.seq, EVENTS.c.at, EVENTS.c.kind, EVENTS.c.data)
    .where(EVENTS.c.conversation_id.in_(bindparam("conversations", expanding=True)))
    .order_by(EVENTS.c.conversation_id, EVENTS.c.seq)
)
# The number's bound says nothing, but makes SQLite go by the conversation and not by the kind.
_LAST_SAID = (
    select(EVENTS.c.data["platform_id"].as_string())
    .where(
        EVENTS.c.conversation_id == bindparam("conversation"),
        EVENTS.c.seq > 0,
        EVENTS.c.kind == ev.CustomerUttered.kind,
    )
    .order_by(EVENTS.c.seq.desc())
    .limit(1)
)


def append(
    connection: Connection, conversation_id: str, events: Sequence[ev.Event], at: datetime, last: int | None = None
) -> list[int]:
    """Append events in order; return their sequence numbers.

    The caller holds the conversation's row, so numbers of one conversation grow in the order of their commits.
    ``last`` is the greatest number so far, where the caller knows it (SQLite).
    """
    if not events:
        return []
    rows = [
        {"conversation_id": conversation_id, "kind": event.kind, "at": at, "data": ev.encode(event)} for event in events
    ]
    if connection.dialect.name != "sqlite":
        return list(connection.execute(_APPEND_RETURNING, rows).scalars())
    # SQLite's one writer counts without gaps; numbering ourselves is much cheaper than a row back for each.
    first = 1 + (connection.execute(_LAST).scalar_one() if last is None else last)
    connection.execute(_APPEND, [{"seq": first + place, **row} for place, row in enumerate(rows)])
    return list(range(first, first + len(rows)))


def after(connection: Connection, conversation_id: str, seq: int) -> list[tuple[int, datetime, ev.Event]]:
    """List (sequence, time, event) of a conversation after ``seq``, oldest first."""
    rows = connection.execute(_AFTER, {"conversation": conversation_id, "after": seq})
    return [(number, at, ev.decode(kind, data)) for number, at, kind, data in rows]


def of_conversations(
    connection: Connection, conversation_ids: Sequence[str]
) -> Mapping[str, list[tuple[int, datetime, ev.Event]]]:
    """List (sequence, time, event) of each conversation, oldest first."""
    found: dict[str, list[tuple[int, datetime, ev.Event]]] = {each: [] for each in conversation_ids}
    for start in range(0, len(conversation_ids), _ASKED_AT_ONCE):
        some = conversation_ids[start : start + _ASKED_AT_ONCE]
        for conversation_id, number, at, kind, data in connection.execute(_OF_SEVERAL, {"conversations": some}):
            found[conversation_id].append((number, at, ev.decode(kind, data)))
    return found


def last_said(connection: Connection, conversation_id: str) -> str:
    """Name the customer's last message as its platform does; empty when there is none, or it has no name."""
    return connection.execute(_LAST_SAID, {"conversation": conversation_id}).scalar() or ""
