"""Counts for rate limits over Redis, kept in this process while Redis is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from limits.aio.storage import MemoryStorage, MovingWindowSupport, RedisStorage, Storage
from redis.asyncio import Redis

from storage.redis.server import GONE, Availability

T = TypeVar("T")


class SharedRates(Storage, MovingWindowSupport):
    """A storage of ``limits`` that all processes share; a limit never fails because Redis does."""

    STORAGE_SCHEME = None

    def __init__(self, client: Redis, url: str, prefix: str) -> None:
        """Keep counts under ``<prefix>:rate``, over the client's connections."""
        super().__init__()
        self._shared = RedisStorage(
            f"async+{url}",
            implementation="redispy",
            key_prefix=f"{prefix}:rate",
            connection_pool=cast("Any", client.connection_pool),
        )
        self._alone = MemoryStorage()
        self._availability = Availability()

    @property
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        """Name what the shared storage raises; none of it gets out of here."""
        return GONE

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count a use in the moving window; False when it is full."""
        return await self._ask(lambda to: to.acquire_entry(key, limit, expiry, amount))

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Give the window's start and how many uses are in it."""
        return await self._ask(lambda to: to.get_moving_window(key, limit, expiry))

    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """Count a use in a fixed window."""
        return await self._ask(lambda to: to.incr(key, expiry, amount=amount))

    async def get(self, key: str) -> int:
        """Give a fixed window's count."""
        return await self._ask(lambda to: to.get(key))

    async def get_expiry(self, key: str) -> float:
        """Give a fixed window's end."""
        return await self._ask(lambda to: to.get_expiry(key))

    async def check(self) -> bool:
        """Tell whether the shared storage is there."""
        return await self._shared.check()

    async def reset(self) -> int | None:
        """Forget all counts."""
        await self._alone.reset()
        return await self._ask(lambda to: to.reset())

    async def clear(self, key: str) -> None:
        """Forget a key's counts."""
        await self._alone.clear(key)
        await self._ask(lambda to: to.clear(key))

    async def _ask(self, what: Callable[[RedisStorage | MemoryStorage], Awaitable[T]]) -> T:
        if not self._availability.is_away:
            try:
                answer = await what(self._shared)
            except GONE as problem:
                self._availability.failed(problem)
            else:
                self._availability.worked()
                return answer
        return await what(self._alone)
