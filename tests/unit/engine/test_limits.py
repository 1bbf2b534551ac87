"""A channel is sent to at its pace, and a crowd in the order it came."""

from __future__ import annotations

from datetime import timedelta

from bot.domain.channel_ports import Addressee, SendPolicy
from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId
from bot.engine.limits import MemorySendLimiter
from tests.unit.engine.fakes import START


def _to(name: str, account: str = "shop") -> Addressee:
    return Addressee(account, name, ConversationId(name))


async def test_channel_without_limits_never_waits():
    """Nothing is counted where nothing is limited."""
    limiter = MemorySendLimiter(ManualClock(START))
    assert [await limiter.wait_s("web", _to("a"), SendPolicy()) for _ in range(100)] == [0.0] * 100


async def test_conversation_has_its_burst_and_then_its_pace():
    """Three at once, then one a second; another conversation is not held up."""
    clock = ManualClock(START)
    limiter = MemorySendLimiter(clock)
    policy = SendPolicy(chat_per_second=1, chat_burst=3)
    assert [await limiter.wait_s("t", _to("a"), policy) for _ in range(4)] == [0.0, 0.0, 0.0, 1.0]
    assert await limiter.wait_s("t", _to("b"), policy) == 0.0
    clock.advance(timedelta(seconds=1))
    assert [await limiter.wait_s("t", _to("a"), policy) for _ in range(2)] == [0.0, 1.0]


async def test_crowd_goes_out_in_the_order_it_came():
    """Whoever waits keeps his place, however often he asks; accounts have rows of their own."""
    clock = ManualClock(START)
    limiter = MemorySendLimiter(clock)
    policy = SendPolicy(per_second=1)
    waits = [await limiter.wait_s("t", _to(name), policy) for name in "abc"]
    assert waits == [0.0, 1.0, 2.0]
    assert await limiter.wait_s("t", _to("c"), policy) == 2.0
    assert await limiter.wait_s("t", _to("z", "other"), policy) == 0.0
    clock.advance(timedelta(seconds=1))
    assert await limiter.wait_s("t", _to("c"), policy) == 1.0
    assert await limiter.wait_s("t", _to("b"), policy) == 0.0
    assert await limiter.wait_s("t", _to("d"), policy) == 2.0


async def test_place_of_somebody_who_never_came_back_is_forgotten():
    """A place kept for over a minute is no licence to go ahead of everybody."""
    clock = ManualClock(START)
    limiter = MemorySendLimiter(clock)
    policy = SendPolicy(per_second=1)
    assert await limiter.wait_s("t", _to("a"), policy) == 0.0
    assert await limiter.wait_s("t", _to("b"), policy) == 1.0
    clock.advance(timedelta(minutes=5))
    assert await limiter.wait_s("t", _to("c"), policy) == 0.0
    assert await limiter.wait_s("t", _to("b"), policy) == 1.0
