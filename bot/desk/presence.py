"""Who is at the desk."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.clock import Clock
from bot.domain.desk_ports import PRESENT_FOR_S, People
from bot.domain.ids import AgentId

_STEP = timedelta(seconds=PRESENT_FOR_S / 3)


class Presence:
    """Records that a person's console was heard from, at most once in a third of PRESENT_FOR_S."""

    def __init__(self, people: People, clock: Clock) -> None:
        self._people = people
        self._clock = clock
        self._recorded: dict[AgentId, datetime] = {}

    async def heard_from(self, agent_id: AgentId) -> None:
        """Record a sign of life."""
        now = self._clock.now()
        recorded = self._recorded.get(agent_id)
        if recorded is not None and now - recorded < _STEP:
            return
        self._recorded[agent_id] = now
        await self._people.mark_seen(agent_id, now)

    async def gone(self, agent_id: AgentId) -> None:
        """Record that the person signed out."""
        self._recorded.pop(agent_id, None)
        await self._people.mark_seen(agent_id, None)
