"""What processes share: each port's twin in this process and its twin over Redis keep the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from limits import RateLimitItemPerMinute
from limits.aio.strategies import MovingWindowRateLimiter

from bot.config import Config, DatabaseSection, RedisSection, Secrets
from bot.domain.channel_ports import Addressee, SendPolicy
from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId
from bot.domain.ports import LiveEvent
from bot.domain.shared_ports import KeptToken
from bot.wiring.shared import Shared, open_shared
from storage.redis.live import RedisLiveFeed
from tests.redis_server import RedisServer

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@dataclass
class Twins:
    """Two processes of one house, and the clock of both."""

    clock: ManualClock
    one: Shared
    other: Shared


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
async def twins(request: pytest.FixtureRequest) -> AsyncIterator[Twins]:
    """Give the shared parts of two processes; in one process they are the same."""
    clock = ManualClock(NOW)
    if request.param == "memory":
        async with open_shared(Config(), Secrets(), clock) as alone:
            yield Twins(clock, alone, alone)
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    config = over(server.url)
    async with open_shared(config, Secrets(), clock) as one, open_shared(config, Secrets(), clock) as other:
        for each in (one, other):
            assert isinstance(each.live, RedisLiveFeed)
            await each.live.ready()
        yield Twins(clock, one, other)


def over(url: str) -> Config:
    """Configure a house of several processes with keys of its own."""
    database = DatabaseSection(url="postgresql+psycopg://nobody@127.0.0.1/none")
    return Config(database=database, redis=RedisSection(url=url, prefix=f"test-{uuid4().hex}"))


async def test_live_event_reaches_readers_of_its_topic_only(twins: Twins):
    """What one process publishes a reader of another sees, as it was, in order."""
    reader = twins.other.live.subscribe(["desk"])
    stranger = twins.other.live.subscribe(["conversation:2"])
    events = [LiveEvent("desk", "changed", {"conversation": "小二", "n": n}) for n in range(3)]
    async with asyncio.timeout(60):
        for event in events:
            await twins.one.live.publish(event)
        assert [await anext(reader) for _ in events] == events
        await twins.one.live.publish(LiveEvent("conversation:2", "changed"))
        assert (await anext(stranger)).topic == "conversation:2"


async def test_token_written_by_one_is_read_by_the_other(twins: Twins):
    """Nothing before, then the same value and end; another name has none."""
    assert await twins.one.tokens.read("wx") is None
    kept = KeptToken("secret", NOW + timedelta(hours=2))
    await twins.one.tokens.write("wx", kept)
    assert await twins.other.tokens.read("wx") == kept
    assert await twins.other.tokens.read("wy") is None
    assert "secret" not in repr(kept)


async def test_token_is_fetched_by_one_at_a_time(twins: Twins):
    """Twenty askers in two processes: one fetches, all have the same."""
    fetched = 0

    async def ask(shared: Shared) -> str:
        nonlocal fetched
        async with shared.tokens.turn("wx"):
            kept = await shared.tokens.read("wx")
            if kept is None:
                fetched += 1
                await asyncio.sleep(0.01)
                kept = KeptToken(f"token-{fetched}", NOW)
                await shared.tokens.write("wx", kept)
            return kept.token

    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(ask(shared) for shared in (twins.one, twins.other) for _ in range(10)))
    assert set(answers) == {"token-1"}


async def test_turn_is_given_up_by_a_holder_that_fails(twins: Twins):
    """An exception lets the next one in."""
    with pytest.raises(ValueError, match="no"):
        async with twins.one.tokens.turn("wx"):
            raise ValueError("no")
    async with asyncio.timeout(60), twins.other.tokens.turn("wx"):
        pass


async def test_mark_is_first_once_and_again_when_forgotten(twins: Twins):
    """Only one of two processes is first; forgotten, somebody may be first again."""
    assert await twins.one.marks.is_first("presence:li", 40)
    assert not await twins.other.marks.is_first("presence:li", 40)
    assert await twins.other.marks.is_first("presence:wang", 40)
    await twins.other.marks.forget("presence:li")
    assert await twins.one.marks.is_first("presence:li", 40)


async def test_rates_are_counted_over_both(twins: Twins):
    """Three uses a minute, whoever counts; cleared, it begins anew."""
    item = RateLimitItemPerMinute(3)
    one, other = MovingWindowRateLimiter(twins.one.rates), MovingWindowRateLimiter(twins.other.rates)
    assert [await limiter.hit(item, "login", "li") for limiter in (one, other, one, other, one)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    window = await other.get_window_stats(item, "login", "li")
    assert window.remaining == 0
    await one.clear(item, "login", "li")
    assert await other.hit(item, "login", "li")


async def test_sending_keeps_the_pace_of_the_account_over_both(twins: Twins):
    """Ten a second, at once if need be: the next has to wait, keeps its place, and goes when its time has come."""
    policy = SendPolicy(per_second=10)
    for name in "0123456789":
        assert await twins.one.sending.wait_s("telegram", _to(name), policy) == 0
    second = _to("b")
    waits = await twins.other.sending.wait_s("telegram", second, policy)
    assert 0 < waits <= 0.1
    twins.clock.advance(timedelta(seconds=waits + 0.002))
    assert await twins.one.sending.wait_s("telegram", second, policy) == 0


async def test_sending_keeps_the_pace_of_a_conversation_after_its_burst(twins: Twins):
    """Two at once, then one a second."""
    policy = SendPolicy(chat_per_second=1, chat_burst=2)
    to = _to("c")
    assert await twins.one.sending.wait_s("telegram", to, policy) == 0
    assert await twins.other.sending.wait_s("telegram", to, policy) == 0
    waits = await twins.one.sending.wait_s("telegram", to, policy)
    assert 0.9 < waits <= 1
    twins.clock.advance(timedelta(seconds=1.01))
    assert await twins.other.sending.wait_s("telegram", to, policy) == 0


def _to(name: str) -> Addressee:
    return Addressee("shop", name, ConversationId(name * 32))


@pytest.mark.redis
async def test_only_the_last_bell_of_a_burst_is_answered(redis_server: RedisServer):
    """Three bells in whatever workers: the last one is over; after the longest wait any of them is."""
    clock = ManualClock(NOW)
    config = over(redis_server.url)
    async with open_shared(config, Secrets(), clock) as one, open_shared(config, Secrets(), clock) as other:
        assert one.redis is not None
        assert other.redis is not None
        talk = ConversationId("a" * 32)
        numbers = [await each.redis.bursts.number(talk) for each in (one, other, one)]
        assert numbers == [1, 2, 3]
        assert [await other.redis.bursts.is_over(talk, number) for number in numbers] == [False, False, True]
        assert await one.redis.bursts.number(talk) == 1
        assert await other.redis.bursts.number(talk) == 2
        clock.advance(timedelta(seconds=config.turns.longest_wait_s))
        assert await one.redis.bursts.is_over(talk, 1)
