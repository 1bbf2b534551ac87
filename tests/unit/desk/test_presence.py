"""Presence is recorded often enough and not more."""

from __future__ import annotations

from datetime import timedelta

from bot.desk.presence import MemoryFirstMark, Presence
from bot.domain.clock import ManualClock
from bot.domain.desk_ports import PRESENT_FOR_S
from bot.domain.ids import AgentId
from tests.unit.desk.doubles import NOW, MemoryPeople


async def test_presence_is_not_written_at_every_click():
    """Many signs of life in a moment are one write; after a while there is another."""
    people, clock = MemoryPeople(), ManualClock(NOW)
    presence = Presence(people, clock, MemoryFirstMark(clock))
    for _ in range(20):
        await presence.heard_from(AgentId("li"))
    assert len(people.seen) == 1
    clock.advance(timedelta(seconds=PRESENT_FOR_S / 2))
    await presence.heard_from(AgentId("li"))
    assert len(people.seen) == 2


async def test_presence_ends_with_the_sign_out_and_begins_with_the_next_click():
    """Who signed out is gone at once, and back at once."""
    people = MemoryPeople()
    clock = ManualClock(NOW)
    presence = Presence(people, clock, MemoryFirstMark(clock))
    await presence.heard_from(AgentId("li"))
    await presence.gone(AgentId("li"))
    await presence.heard_from(AgentId("li"))
    assert [at for _, at in people.seen] == [NOW, None, NOW]
