"""FirstMark over Redis."""

from __future__ import annotations

from redis.asyncio import Redis

from bot.domain.shared_ports import FirstMark
from storage.redis.server import GONE, Availability


class RedisFirstMark:
    """The twin of the port ``FirstMark`` for several processes; while Redis is away each marks for itself."""

    def __init__(self, client: Redis, alone: FirstMark, prefix: str) -> None:
        self._client = client
        self._alone = alone
        self._prefix = f"{prefix}:mark"
        self._availability = Availability()

    async def is_first(self, key: str, within_s: int) -> bool:
        """Mark the key; False when it was marked within the last ``within_s`` seconds."""
        if not self._availability.is_away:
            try:
                marked = await self._client.set(f"{self._prefix}:{key}", 1, nx=True, ex=within_s)
            except GONE as problem:
                self._availability.failed(problem)
            else:
                self._availability.worked()
                return bool(marked)
        return await self._alone.is_first(key, within_s)

    async def forget(self, key: str) -> None:
        """Take the mark away."""
        await self._alone.forget(key)
        try:
            await self._client.delete(f"{self._prefix}:{key}")
        except GONE as problem:
            self._availability.failed(problem)
