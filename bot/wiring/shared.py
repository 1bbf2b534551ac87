"""What the processes of one house share: in this process, or over Redis where ``redis.url`` is set."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from limits.aio.storage import Storage as Rates

from bot.channels.vault import MemoryTokenShelf
from bot.config import Config, Secrets
from bot.desk.presence import MemoryFirstMark
from bot.domain.channel_ports import SendLimiter
from bot.domain.clock import Clock
from bot.domain.errors import ConfigError
from bot.domain.ports import LiveFeed
from bot.domain.shared_ports import FirstMark, TokenShelf
from bot.engine.limits import MemorySendLimiter
from bot.engine.live import MemoryLiveFeed
from bot.wiring.rates import MemoryRates

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from storage.redis.bell import BellBroker
    from storage.redis.bursts import BurstBook


@dataclass(frozen=True, slots=True)
class OverRedis:
    """What only several processes need."""

    client: Redis
    broker: BellBroker
    bursts: BurstBook

    async def answers(self) -> bool:
        """Tell whether Redis is there."""
        return bool(await self.client.ping())


@dataclass(frozen=True, slots=True)
class Shared:
    """One twin of each port; ``redis`` is None when this process is alone."""

    live: LiveFeed
    rates: Rates
    marks: FirstMark
    tokens: TokenShelf
    sending: SendLimiter
    redis: OverRedis | None = None


def redis_url(config: Config, secrets: Secrets) -> str:
    """Give the address of Redis with the password of the environment; empty when there is none."""
    url = config.redis.url or ""
    if url and secrets.redis_password:
        parts = urlsplit(url)
        user = parts.username or ""
        host = parts.netloc.rpartition("@")[2]
        url = parts._replace(netloc=f"{user}:{quote(secrets.redis_password, safe='')}@{host}").geturl()
    return url


@asynccontextmanager
async def open_shared(config: Config, secrets: Secrets, clock: Clock, *, hears: bool = True) -> AsyncIterator[Shared]:
    """Open the shared parts; ``hears``: this process has readers of live events."""
    alone = Shared(
        live=MemoryLiveFeed(),
        rates=MemoryRates(),
        marks=MemoryFirstMark(clock),
        tokens=MemoryTokenShelf(),
        sending=MemorySendLimiter(clock),
    )
    url = redis_url(config, secrets)
    if not url:
        yield alone
        return
    async with AsyncExitStack() as stack:
        yield await _over_redis(url, config, clock, alone, (stack, hears))


async def _over_redis(
    url: str, config: Config, clock: Clock, alone: Shared, opening: tuple[AsyncExitStack, bool]
) -> Shared:
    try:
        # Only here, so that the embedded default needs none of it installed.
        from storage.redis.bell import BellBroker  # noqa: PLC0415
        from storage.redis.bursts import BurstBook  # noqa: PLC0415
        from storage.redis.live import RedisLiveFeed  # noqa: PLC0415
        from storage.redis.marks import RedisFirstMark  # noqa: PLC0415
        from storage.redis.rates import SharedRates  # noqa: PLC0415
        from storage.redis.sending import RedisSendLimiter  # noqa: PLC0415
        from storage.redis.server import connect  # noqa: PLC0415
        from storage.redis.tokens import RedisTokenShelf  # noqa: PLC0415
    except ModuleNotFoundError as missing:
        raise ConfigError(
            f"xiaoer.redis.url is set, but {missing.name} is not installed; install the extra `scale`: "
            "pip install 'xiaoer[scale]'"
        ) from None
    stack, hears = opening
    prefix = config.redis.prefix
    client = connect(url)
    stack.push_async_callback(client.aclose)
    live = RedisLiveFeed(client, MemoryLiveFeed(), prefix)
    if hears:
        await live.start()
    stack.push_async_callback(live.stop)
    broker = BellBroker(url, prefix)
    stack.push_async_callback(broker.shutdown)
    return Shared(
        live=live,
        rates=SharedRates(client, url, prefix),
        marks=RedisFirstMark(client, alone.marks, prefix),
        tokens=RedisTokenShelf(client, alone.tokens, prefix),
        sending=RedisSendLimiter(client, alone.sending, prefix, clock),
        redis=OverRedis(
            client=client,
            broker=broker,
            bursts=BurstBook(client, prefix, clock, config.turns.longest_wait_s),
        ),
    )
