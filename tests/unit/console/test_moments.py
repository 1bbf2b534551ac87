"""Times as the reader's clock shows them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bot.console.moments import Moments, end_of_day, start_of_day
from bot.console.words import load_words

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 17, 0, tzinfo=UTC)


def test_moments_are_told_in_the_readers_zone():
    """An evening in London is the next day in Shanghai."""
    moments = Moments(SHANGHAI, NOW)
    assert moments.full(NOW) == "2026-11-22 01:00"
    assert moments.short(NOW) == "01:00"
    assert moments.short(NOW - timedelta(hours=2)) == "11-21"
    assert moments.short(NOW - timedelta(days=400)) == "2025-10-18"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "less than 1 min"), (59, "less than 1 min"), (60, "1 min"), (7200, "2 h"), (90_000, "1 d")],
)
def test_moments_tell_a_wait_in_its_largest_unit(seconds: int, words: str):
    """A clock that is a little ahead is no negative wait."""
    assert Moments(SHANGHAI, NOW).since(NOW - timedelta(seconds=seconds), load_words("en")) == words


def test_days_are_the_readers_own():
    """A day begins and ends at the reader's midnight."""
    start, end = start_of_day("2026-11-21", SHANGHAI), end_of_day("2026-11-21", SHANGHAI)
    assert start == datetime(2026, 11, 20, 16, tzinfo=UTC)
    assert end == datetime(2026, 11, 21, 16, tzinfo=UTC)


@pytest.mark.parametrize("junk", ["", "yesterday", "2026-13-40", "9999-12-31", "'; drop table events"])
def test_days_of_junk_do_not_filter(junk: str):
    """What is no day is no filter, never an exception."""
    assert end_of_day(junk, SHANGHAI) is None
    assert junk == "9999-12-31" or start_of_day(junk, SHANGHAI) is None
