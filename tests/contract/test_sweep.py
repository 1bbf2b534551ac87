"""The look for lost bells: what is due, and nothing that waits for its time."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.clock import ManualClock
from bot.domain.line_ports import NO_PARTS
from storage.sweep import SqlSweep
from tests.contract.line import NOW, Line

WEEK = timedelta(days=7)


async def test_what_waits_for_days_is_found_only_when_it_is_due(line: Line):
    """A message deferred until the shopper's next word costs no look meanwhile."""
    clock = ManualClock(NOW)
    sweep = SqlSweep(line.database, clock, 0)
    conversation = await line.answered()
    assert await sweep.pending_conversations() == (conversation,)
    item = await line.outbox.next_due(conversation, NOW)
    assert item is not None
    await line.outbox.mark_deferred(item.id, NOW + WEEK, "it waits for the next word", NO_PARTS)
    assert await sweep.pending_conversations() == ()
    clock.advance(WEEK)
    assert await sweep.pending_conversations() == (conversation,)


async def test_message_that_came_in_is_found(line: Line):
    """Older than the given time."""
    clock = ManualClock(NOW)
    conversation = await line.accept("k1")
    assert await SqlSweep(line.database, clock, 0).pending_conversations() == (conversation,)
    assert await SqlSweep(line.database, clock, 2).pending_conversations() == ()
    clock.advance(timedelta(seconds=2))
    assert await SqlSweep(line.database, clock, 2).pending_conversations() == (conversation,)
