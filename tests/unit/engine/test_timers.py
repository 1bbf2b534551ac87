"""Due dates are found by the clock, once, and a kind that fails harms no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId
from bot.engine.live import MemoryLiveFeed
from bot.engine.timers import Timers
from tests.unit.engine.fakes import START


class Snoozes:
    """Conversations that come back at a time."""

    name = "snoozes"

    def __init__(self, clock: ManualClock, **due: datetime) -> None:
        self._clock = clock
        self.due = due
        self.looks = 0
        self.broken = False

    async def run_due(self) -> Sequence[ConversationId]:
        """Give back what is due."""
        self.looks += 1
        if self.broken:
            raise RuntimeError("the table is away")
        found = [name for name, at in self.due.items() if at <= self._clock.now()]
        for name in found:
            del self.due[name]
        return [ConversationId(name) for name in found]


class Bell:
    """Counts rings."""

    def __init__(self) -> None:
        self.rung: list[tuple[str, float | None]] = []

    async def ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Count one."""
        self.rung.append((conversation_id, quiet_s))


async def test_due_date_is_found_when_the_clock_has_come_to_it():
    """Before it nothing happens, after it the conversation is rung for at once, and only once."""
    clock, bell = ManualClock(START), Bell()
    snoozes = Snoozes(clock, a=START + timedelta(minutes=5), b=START + timedelta(days=1))
    timers = Timers([snoozes], clock, MemoryLiveFeed(), 1)
    await timers.sweep(bell)
    assert bell.rung == []
    clock.advance(timedelta(minutes=5))
    await timers.sweep(bell)
    clock.advance(timedelta(minutes=5))
    await timers.sweep(bell)
    assert bell.rung == [("a", 0.0)]


async def test_kind_that_fails_harms_no_other():
    """The one is logged and tried again, the other is done."""
    clock, bell = ManualClock(START), Bell()
    broken, sound = Snoozes(clock, a=START), Snoozes(clock, b=START)
    broken.broken = True
    timers = Timers([broken, sound], clock, MemoryLiveFeed(), 1)
    await timers.sweep(bell)
    assert bell.rung == [("b", 0.0)]
    broken.broken = False
    clock.advance(timedelta(seconds=1))
    await timers.sweep(bell)
    assert bell.rung == [("b", 0.0), ("a", 0.0)]


async def test_looks_are_no_more_frequent_than_the_gap():
    """A sweep that comes too soon asks no table."""
    clock, bell = ManualClock(START), Bell()
    snoozes = Snoozes(clock)
    timers = Timers([snoozes], clock, MemoryLiveFeed(), shortest_gap_s=10)
    for _ in range(3):
        await timers.sweep(bell)
        clock.advance(timedelta(seconds=4))
    assert snoozes.looks == 1
