"""Conversations whose agent may not come in any more: they wait for another."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from bot.domain.clock import Clock
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from storage.database import Units
from storage.ownership import SqlOwnershipStore
from storage.people import agent_of
from storage.tables import AGENTS, CONVERSATIONS

_MOST = 100
_ABANDONED = (
    select(CONVERSATIONS.c.id.label("conversation_id"), AGENTS)
    .join(AGENTS, AGENTS.c.id == CONVERSATIONS.c.agent_id)
    .where(CONVERSATIONS.c.owner == Owner.WITH_AGENT.value, ~AGENTS.c.active)
    .limit(_MOST)
)


class SqlAbandoned:
    """Lets what shut-out people hold wait for others; the console does so at once, this when it could not."""

    name = "abandoned"

    def __init__(self, database: Units, ownership: SqlOwnershipStore, clock: Clock) -> None:
        self._database = database
        self._ownership = ownership
        self._clock = clock

    async def run_due(self) -> Sequence[ConversationId]:
        """Put them back among the waiting, one commit each; list them."""
        found = await self._database.read(lambda on: on.execute(_ABANDONED).all())
        changed = [ConversationId(row.conversation_id) for row in found]
        for row in found:
            await self._ownership.requeue(ConversationId(row.conversation_id), agent_of(row), self._clock.now())
        return changed
