"""Due dates: what is to happen at a time stands in a table, and is looked for by the clock.

Nothing is remembered by the process, so that a restart forgets no due date; a clock that jumps ahead finds all of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Protocol

from bot.domain.clock import Clock
from bot.domain.ids import ConversationId
from bot.domain.ports import Dispatcher, LiveFeed
from bot.engine import live
from bot.engine.faults import describe

_LOG = logging.getLogger(__name__)
_GAP_S = 5.0


class DueWork(Protocol):
    """One kind of due date: promises of tickets, snoozes, surveys."""

    name: str

    async def run_due(self) -> Sequence[ConversationId]:
        """Do, in one commit each, what is due by the clock; list the conversations that changed.

        Doing it marks it done, so that a second look, of this process or another, finds nothing.
        """
        ...


class Timers:
    """Looks through every kind of due date."""

    def __init__(self, works: Sequence[DueWork], clock: Clock, feed: LiveFeed, shortest_gap_s: float = _GAP_S) -> None:
        """Look at most every ``shortest_gap_s`` seconds of the clock, however often ``sweep`` is called."""
        self._works = tuple(works)
        self._clock = clock
        self._feed = feed
        self._gap_s = shortest_gap_s
        self._looked_at = clock.now()
        self._never = True

    async def sweep(self, dispatcher: Dispatcher) -> None:
        """Do what is due, tell open pages, ring for what is to be delivered; a kind that fails harms no other."""
        now = self._clock.now()
        if not self._never and (now - self._looked_at).total_seconds() < self._gap_s:
            return
        self._never, self._looked_at = False, now
        for work in self._works:
            try:
                for conversation_id in await work.run_due():
                    await dispatcher.ring(conversation_id, 0.0)
                    for bell in live.changed(conversation_id):
                        await self._feed.publish(bell)
            except Exception as problem:  # noqa: BLE001 - the next look tries again
                _LOG.error("looking for due %s failed: %s", work.name, describe(problem))
