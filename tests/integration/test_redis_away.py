"""Redis goes away and comes back: everything that is shared works on in each process, and is shared again after."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from limits import RateLimitItemPerMinute
from limits.aio.strategies import MovingWindowRateLimiter

from bot.config import Secrets
from bot.domain.channel_ports import Addressee, SendPolicy
from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId
from bot.domain.ports import LiveEvent
from bot.domain.shared_ports import KeptToken
from bot.wiring.shared import open_shared
from storage.redis.live import RedisLiveFeed
from tests.conftest import running_redis
from tests.contract.test_shared import over
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """Give a server that may be killed."""
    with running_redis() as server:
        yield server


async def test_shared_parts_work_alone_while_redis_is_away(server: RedisServer):
    """Own readers hear, tokens and marks are kept, rates still limit; nothing raises and nothing takes long."""
    async with asyncio.timeout(60), open_shared(over(server.url), Secrets(), ManualClock(NOW)) as shared:
        assert isinstance(shared.live, RedisLiveFeed)
        await shared.live.ready()
        server.kill()
        reader = shared.live.subscribe(["desk"])
        await shared.live.publish(LiveEvent("desk", "changed"))
        assert await anext(reader) == LiveEvent("desk", "changed")
        async with shared.tokens.turn("wx"):
            await shared.tokens.write("wx", KeptToken("t", NOW))
        kept = await shared.tokens.read("wx")
        assert kept is not None
        assert kept.token == "t"
        assert await shared.marks.is_first("li", 40)
        assert not await shared.marks.is_first("li", 40)
        limiter = MovingWindowRateLimiter(shared.rates)
        assert [await limiter.hit(RateLimitItemPerMinute(1), "x") for _ in range(2)] == [True, False]
        to = Addressee("shop", "a", ConversationId("a" * 32))
        assert await shared.sending.wait_s("telegram", to, SendPolicy(per_second=10)) == 0


async def test_readers_are_told_to_look_again_when_redis_is_back(server: RedisServer):
    """A page that may have missed a bell hears ``lost``, and bells of others after that."""
    config = over(server.url)
    async with (
        asyncio.timeout(60),
        open_shared(config, Secrets(), ManualClock(NOW)) as one,
        open_shared(config, Secrets(), ManualClock(NOW)) as other,
    ):
        assert isinstance(one.live, RedisLiveFeed)
        assert isinstance(other.live, RedisLiveFeed)
        await one.live.ready()
        reader = one.live.subscribe(["desk"])
        server.kill()
        server.forget()
        server.start()
        assert (await anext(reader)).kind == "lost"
        await other.live.ready()
        heard = asyncio.ensure_future(anext(reader))
        while not heard.done():
            await other.live.publish(LiveEvent("desk", "changed", {"from": "other"}))
            await asyncio.wait({heard}, timeout=0.5)
        assert heard.result().topic == "desk"
