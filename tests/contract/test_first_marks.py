"""Marks in the database: one is first, also among many at once, after a restart, and again when its time is over."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from bot.domain.clock import ManualClock
from storage.database import Database
from storage.first_marks import SqlFirstMarks
from storage.tables import CURSORS
from tests.contract.line import NOW, Line


async def test_one_of_many_is_first_and_a_restart_forgets_nothing(database: Database):
    """Twenty ask at once."""
    clock = ManualClock(NOW)
    answers = await asyncio.gather(*(SqlFirstMarks(database, clock).is_first("nonce", 300) for _ in range(20)))
    assert sorted(answers) == [False] * 19 + [True]
    assert not await SqlFirstMarks(database, clock).is_first("nonce", 300)
    assert await SqlFirstMarks(database, clock).is_first("another", 300)


async def test_mark_is_over_with_its_time_or_when_it_is_taken_away(database: Database):
    """And leaves nothing behind."""
    clock = ManualClock(NOW)
    marks = SqlFirstMarks(database, clock)
    assert await marks.is_first("nonce", 300)
    clock.advance(timedelta(seconds=299))
    assert not await marks.is_first("nonce", 300)
    clock.advance(timedelta(seconds=2))
    assert await marks.is_first("nonce", 300)
    await marks.forget("nonce")
    assert await marks.is_first("nonce", 10)
    clock.advance(timedelta(seconds=11))
    assert await marks.is_first("x" * 5000, 10)
    assert await Line(database).count(CURSORS) == 1
