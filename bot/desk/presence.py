"""Who is at the desk."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.clock import Clock
from bot.domain.desk_ports import PRESENT_FOR_S, People
from bot.domain.ids import AgentId
from bot.domain.shared_ports import FirstMark

_STEP_S = PRESENT_FOR_S // 3
_MOST_MARKS = 10_000


class MemoryFirstMark:
    """The twin of the port ``FirstMark`` for one process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marked_until: dict[str, datetime] = {}

    async def is_first(self, key: str, within_s: int) -> bool:
        """Mark the key; False when it was marked within the last ``within_s`` seconds."""
        now = self._clock.now()
        until = self._marked_until.get(key)
        if until is not None and now < until:
            return False
        if len(self._marked_until) >= _MOST_MARKS:
            self._marked_until = {each: end for each, end in self._marked_until.items() if end > now}
        self._marked_until[key] = now + timedelta(seconds=within_s)
        return True

    async def forget(self, key: str) -> None:
        """Take the mark away."""
        self._marked_until.pop(key, None)


class Presence:
    """Records that a person's console was heard from, at most once in a third of PRESENT_FOR_S over all processes.

    The record is in the database, where those who route conversations read it; the mark only spares it.
    """

    def __init__(self, people: People, clock: Clock, marks: FirstMark) -> None:
        self._people = people
        self._clock = clock
        self._marks = marks

    async def heard_from(self, agent_id: AgentId) -> None:
        """Record a sign of life."""
        if await self._marks.is_first(f"presence:{agent_id}", _STEP_S):
            await self._people.mark_seen(agent_id, self._clock.now())

    async def gone(self, agent_id: AgentId) -> None:
        """Record that the person signed out."""
        await self._marks.forget(f"presence:{agent_id}")
        await self._people.mark_seen(agent_id, None)
