"""Who waits too long: promises that have passed and windows about to close, each raised in priority once.

Everything is decided again in the unit that records it, under the conversation's row, so that processes which look at
the same moment never raise twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, func, insert, or_, select, update

from bot.domain.clock import Clock
from bot.domain.conversation import Owner
from bot.domain.due import OVERDUE, WINDOW_CLOSING, OpeningHours, ServiceLevels, raised
from bot.domain.events import PriorityRaised
from bot.domain.handoff import Priority
from bot.domain.ids import ConversationId
from bot.domain.tickets import TicketKind, TicketState
from bot.domain.windows import POLICIES, Opened, Opening, room
from storage import events
from storage.database import Units
from storage.ownership import SAVE, locked
from storage.settling import settle_each
from storage.tables import CONVERSATIONS, IDENTITIES, TICKET_NOTES, TICKETS, WINDOWS
from storage.types import Moment

_MOST = 500
_OURS_TO_ANSWER = (TicketState.OPEN.value, TicketState.IN_PROGRESS.value)
_AT: Any = bindparam("at", type_=Moment)
_IS_OVERDUE = (
    TICKETS.c.state.in_(_OURS_TO_ANSWER),
    TICKETS.c.due_at <= _AT,
    or_(TICKETS.c.overdue_at.is_(None), TICKETS.c.overdue_at < TICKETS.c.due_at),
)
_TICKETS = select(TICKETS.c.id, TICKETS.c.conversation_id).where(*_IS_OVERDUE).order_by(TICKETS.c.due_at).limit(_MOST)
_TICKET = (
    select(TICKETS.c.number, TICKETS.c.priority)
    .where(TICKETS.c.id == bindparam("ticket"), *_IS_OVERDUE)
    .with_for_update()
)
# What the shopper was told when nobody was there is the promise that counts.
_CALLBACK_AT = (
    select(func.max(TICKETS.c.due_at))
    .where(
        TICKETS.c.conversation_id == CONVERSATIONS.c.id,
        TICKETS.c.kind == TicketKind.CALLBACK.value,
        TICKETS.c.state.in_(_OURS_TO_ANSWER),
        TICKETS.c.due_at > CONVERSATIONS.c.waiting_since,
    )
    .correlate(CONVERSATIONS)
    .scalar_subquery()
)
_NOT_RAISED = or_(CONVERSATIONS.c.overdue_at.is_(None), CONVERSATIONS.c.overdue_at <= CONVERSATIONS.c.waiting_since)
_WAITING = select(
    CONVERSATIONS.c.id,
    CONVERSATIONS.c.waiting_since,
    CONVERSATIONS.c.handoff_priority,
    _CALLBACK_AT.label("callback_at"),
).where(CONVERSATIONS.c.owner == Owner.WAITING_FOR_AGENT.value, _NOT_RAISED)
_WAITS_LONG = (
    _WAITING.where(CONVERSATIONS.c.waiting_since <= bindparam("before", type_=Moment))
    .order_by(CONVERSATIONS.c.waiting_since)
    .limit(_MOST)
)
_WAITS_STILL = _WAITING.where(CONVERSATIONS.c.id == bindparam("conversation"))
# Of an agent's own conversations only those wait whose last word is the shopper's.
_WAITS_FOR_WORDS = or_(
    CONVERSATIONS.c.owner == Owner.WAITING_FOR_AGENT.value,
    (CONVERSATIONS.c.owner == Owner.WITH_AGENT.value) & (CONVERSATIONS.c.last_sender == "customer"),
)
_WINDOWS = (
    select(
        CONVERSATIONS.c.id,
        CONVERSATIONS.c.handoff_priority,
        CONVERSATIONS.c.closing_at,
        IDENTITIES.c.channel,
        WINDOWS.c.kind,
        WINDOWS.c.opened_at,
        WINDOWS.c.used,
    )
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .join(WINDOWS, WINDOWS.c.identity_id == IDENTITIES.c.id)
    .where(
        CONVERSATIONS.c.owner.in_((Owner.WAITING_FOR_AGENT.value, Owner.WITH_AGENT.value)),
        _WAITS_FOR_WORDS,
        or_(CONVERSATIONS.c.closing_at.is_(None), CONVERSATIONS.c.closing_at <= WINDOWS.c.opened_at),
    )
)
_OLD_WINDOWS = _WINDOWS.where(
    WINDOWS.c.kind == Opening.MESSAGE.value, WINDOWS.c.opened_at <= bindparam("before", type_=Moment)
).limit(_MOST)
_WINDOWS_STILL = _WINDOWS.where(CONVERSATIONS.c.id == bindparam("conversation"))


class SqlOverdueTickets:
    """Raises tickets whose promised time has passed; another promise may be passed again."""

    name = "tickets"

    def __init__(self, database: Units, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def run_due(self) -> Sequence[ConversationId]:
        """Raise what is overdue, one commit each; list their conversations."""
        at = self._clock.now()
        found = await self._database.read(lambda on: on.execute(_TICKETS, {"at": at}).all())
        settled = await settle_each(
            self._database,
            self.name,
            found,
            lambda on, ticket: _raise_ticket(on, ticket.id, ticket.conversation_id, at),
        )
        return [ConversationId(ticket.conversation_id) for ticket, _ in settled]


class SqlOverdueHandoffs:
    """Raises hand-offs that wait beyond what was promised, by the shop's opening hours."""

    name = "hand-offs"

    def __init__(self, database: Units, clock: Clock, levels: ServiceLevels, hours: OpeningHours) -> None:
        self._database = database
        self._clock = clock
        self._levels = levels
        self._hours = hours

    async def run_due(self) -> Sequence[ConversationId]:
        """Raise what is overdue, one commit each; list the conversations."""
        at = self._clock.now()
        before = at - min(self._levels.answer_within.values())
        found = await self._database.read(lambda on: on.execute(_WAITS_LONG, {"before": before}).mappings().all())
        overdue = [ConversationId(row["id"]) for row in found if self._promised_at(row) <= at]
        settled = await settle_each(self._database, self.name, overdue, lambda on, each: self._raise(on, each, at))
        return [conversation_id for conversation_id, _ in settled]

    def _promised_at(self, row: RowMapping) -> datetime:
        if row["callback_at"] is not None:
            told: datetime = row["callback_at"]
            return told
        priority = row["handoff_priority"]
        known = Priority(priority) if priority in set(Priority) else Priority.NORMAL
        return self._hours.after(row["waiting_since"], self._levels.answer_within[known])

    def _raise(self, connection: Connection, conversation_id: str, at: datetime) -> None:
        locked(connection, conversation_id)
        row = connection.execute(_WAITS_STILL, {"conversation": conversation_id}).mappings().first()
        if row is not None and self._promised_at(row) <= at:
            _raise_conversation(connection, row, OVERDUE, {"overdue_at": at}, at)


class SqlClosingWindows:
    """Raises conversations whose shopper waits while the platform's window is about to close, once a window."""

    name = "windows"

    def __init__(self, database: Units, clock: Clock, warning: timedelta) -> None:
        """Warn ``warning`` before the end."""
        self._database = database
        self._clock = clock
        self._warning = warning
        messages = [policy.windows[Opening.MESSAGE].lasts for policy in POLICIES.values()]
        self._shortest = min(messages)

    async def run_due(self) -> Sequence[ConversationId]:
        """Raise what is about to close, one commit each; list the conversations."""
        if not self._warning:
            return []
        at = self._clock.now()
        before = at - (self._shortest - self._warning)
        found = await self._database.read(lambda on: on.execute(_OLD_WINDOWS, {"before": before}).mappings().all())
        closing = [ConversationId(row["id"]) for row in found if self._closes_soon([row], at)]
        settled = await settle_each(self._database, self.name, closing, lambda on, each: self._raise(on, each, at))
        return [conversation_id for conversation_id, _ in settled]

    def _closes_soon(self, rows: Sequence[RowMapping], at: datetime) -> bool:
        policy = POLICIES.get(rows[0]["channel"]) if rows else None
        if policy is None:
            return False
        left = room(policy, [Opened(Opening(row["kind"]), row["opened_at"], row["used"]) for row in rows], at)
        return left.until is not None and left.until - at <= self._warning

    def _raise(self, connection: Connection, conversation_id: str, at: datetime) -> None:
        locked(connection, conversation_id)
        rows = connection.execute(_WINDOWS_STILL, {"conversation": conversation_id}).mappings().all()
        if self._closes_soon([row for row in rows if row["kind"] == Opening.MESSAGE.value], at):
            _raise_conversation(connection, rows[0], WINDOW_CLOSING, {"closing_at": at}, at)


def _raise_ticket(connection: Connection, ticket_id: str, conversation_id: str, at: datetime) -> None:
    locked(connection, conversation_id)
    row = connection.execute(_TICKET, {"ticket": ticket_id, "at": at}).first()
    if row is None:
        return
    number, before = row
    after = raised(before).value
    values = {"overdue_at": at, "priority": after, "updated_at": at}
    connection.execute(update(TICKETS).where(TICKETS.c.id == ticket_id).values(values))
    change = {"raised": OVERDUE, "priority": after, "by": "bot"}
    connection.execute(insert(TICKET_NOTES), {"ticket_id": ticket_id, "text": "", "change": change, "at": at})
    events.append(connection, conversation_id, [PriorityRaised(OVERDUE, before, after, number)], at)


def _raise_conversation(
    connection: Connection, row: RowMapping, reason: str, marks: dict[str, datetime], at: datetime
) -> None:
    before = row["handoff_priority"] or Priority.NORMAL.value
    after = raised(before).value
    connection.execute(SAVE, marks | {"handoff_priority": after, "conversation": row["id"]})
    events.append(connection, row["id"], [PriorityRaised(reason, before, after)], at)
