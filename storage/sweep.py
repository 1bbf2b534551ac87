"""Conversations whose bell was lost: something to do has been lying there for a while."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, func, select, union

from bot.domain.clock import Clock
from bot.domain.ids import ConversationId
from storage.database import Database
from storage.tables import INBOX, OUTBOX

_MOST = 500
_LEFT = union(
    select(INBOX.c.conversation_id).where(INBOX.c.done_at.is_(None), INBOX.c.received_at <= bindparam("before")),
    select(OUTBOX.c.conversation_id).where(OUTBOX.c.done_at.is_(None), OUTBOX.c.due_at <= bindparam("before")),
).subquery()
# In no order, so that workers that look at the same moment do not all go for the same ones.
_OVERDUE = select(_LEFT.c.conversation_id).order_by(func.random()).limit(_MOST)


class SqlSweep:
    """Looks for rows older than ``older_than_s`` seconds; at most 500 conversations at a look."""

    def __init__(self, database: Database, clock: Clock, older_than_s: float) -> None:
        self._database = database
        self._clock = clock
        self._older_than = timedelta(seconds=older_than_s)

    async def pending_conversations(self) -> tuple[ConversationId, ...]:
        """List conversations that should have been drained already."""
        before = self._clock.now() - self._older_than
        found = await self._database.read(lambda connection: _overdue(connection, before))
        return tuple(ConversationId(each) for each in found)


def _overdue(connection: Any, before: datetime) -> list[str]:
    return list(connection.execute(_OVERDUE, {"before": before}).scalars())
