"""How much waits in the message line: each number from a small partial index, whatever the tables' size."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from bot.domain.conversation import Owner
from bot.domain.health_ports import LineNumbers
from bot.domain.tickets import TicketState
from storage.database import Database
from storage.tables import CONVERSATIONS, INBOX, OUTBOX, TICKETS
from storage.types import Moment

_OPEN_TICKETS = [TicketState.OPEN.value, TicketState.IN_PROGRESS.value]
_INBOX = select(func.count(), func.min(INBOX.c.received_at)).where(INBOX.c.done_at.is_(None))
_OUTBOX = select(func.count(), func.min(OUTBOX.c.due_at)).where(OUTBOX.c.done_at.is_(None))
_DEAD = select(func.count()).select_from(OUTBOX).where(OUTBOX.c.state.in_(("refused", "unclear")))
_QUEUE = select(func.count(), func.min(CONVERSATIONS.c.waiting_since)).where(
    CONVERSATIONS.c.owner == Owner.WAITING_FOR_AGENT.value
)
_LATE = select(func.count()).where(
    CONVERSATIONS.c.owner == Owner.WAITING_FOR_AGENT.value, CONVERSATIONS.c.overdue_at > CONVERSATIONS.c.waiting_since
)
_OVERDUE = (
    select(func.count())
    .select_from(TICKETS)
    .where(TICKETS.c.state.in_(_OPEN_TICKETS), TICKETS.c.due_at <= bindparam("at", type_=Moment))
)


class SqlLineGauge:
    """Measures the line over the tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self, at: datetime) -> LineNumbers:
        """Measure now; StorageError when the database is away."""
        return await self._database.read(lambda connection: _read(connection, at))


def _read(connection: Connection, at: datetime) -> LineNumbers:
    inbox, first_in = connection.execute(_INBOX).one()
    outbox, first_due = connection.execute(_OUTBOX).one()
    queue, first_waiting = connection.execute(_QUEUE).one()
    return LineNumbers(
        inbox_waiting=inbox,
        inbox_age_s=_age_s(first_in, at),
        outbox_waiting=outbox,
        outbox_age_s=_age_s(first_due, at),
        dead_letters=connection.execute(_DEAD).scalar_one(),
        queue_waiting=queue,
        queue_age_s=_age_s(first_waiting, at),
        tickets_overdue=connection.execute(_OVERDUE, {"at": at}).scalar_one(),
        handoffs_overdue=connection.execute(_LATE).scalar_one(),
    )


def _age_s(since: Any, at: datetime) -> float:
    return max(0.0, (at - since).total_seconds()) if since is not None else 0.0
