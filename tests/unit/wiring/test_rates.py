"""Rates counted in this process keep their promise and forget what is over."""

from __future__ import annotations

import pytest
from limits import parse
from limits.aio.strategies import MovingWindowRateLimiter

from bot.wiring.rates import MemoryRates

START = 1_000_000.0
RATE = parse("3/minute")


class Watch:
    """A clock that is set by hand, in seconds."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def watch() -> Watch:
    """Give a clock that stands still."""
    return Watch()


async def test_rates_let_pass_what_fits_into_any_minute(watch: Watch):
    """The window moves: a use counts for a minute from its own moment, and what was refused does not count."""
    limiter = MovingWindowRateLimiter(MemoryRates(watch))
    for second in (0, 20, 40):
        watch.now = START + second
        assert await limiter.hit(RATE, "ann")
    for second in (41, 59):
        watch.now = START + second
        assert not await limiter.hit(RATE, "ann")
    watch.now = START + 60.5
    assert await limiter.hit(RATE, "ann")
    assert not await limiter.hit(RATE, "ann")
    assert await limiter.hit(RATE, "bob")


async def test_rates_tell_when_the_next_use_fits(watch: Watch):
    """The oldest use that counts decides; a key nobody used has all its room."""
    limiter = MovingWindowRateLimiter(MemoryRates(watch))
    for second in (0, 20, 40):
        watch.now = START + second
        await limiter.hit(RATE, "ann")
    assert await limiter.get_window_stats(RATE, "ann") == (START + 60, 0)
    watch.now = START + 65
    assert await limiter.get_window_stats(RATE, "ann") == (START + 80, 1)
    assert (await limiter.get_window_stats(RATE, "bob")).remaining == 3


async def test_rates_forget_keys_whose_time_is_over(watch: Watch):
    """Ten thousand passers-by leave nothing behind; one who comes often is still counted."""
    storage = MemoryRates(watch)
    limiter = MovingWindowRateLimiter(storage)
    for number in range(10_000):
        await limiter.hit(RATE, f"visitor-{number}")
    watch.now = START + 100
    await limiter.hit(RATE, "ann")
    watch.now = START + 130
    await limiter.hit(RATE, "ann")
    assert await storage.reset() == 1


async def test_rates_can_be_cleared(watch: Watch):
    """A key that is cleared begins anew."""
    limiter = MovingWindowRateLimiter(MemoryRates(watch))
    for _ in range(3):
        await limiter.hit(RATE, "ann")
    await limiter.clear(RATE, "ann")
    assert await limiter.hit(RATE, "ann")
