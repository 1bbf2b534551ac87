"""TokenShelf over Redis: one token for all processes, fetched by one at a time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from redis.asyncio import Redis
from redis.exceptions import LockError

from bot.domain.shared_ports import KeptToken, TokenShelf
from storage.redis.server import GONE, Availability

_FETCH_WITHIN_S = 20
_KEPT_FOR = timedelta(hours=12)


class RedisTokenShelf:
    """The twin of the port ``TokenShelf`` for several processes; while Redis is away each keeps its own."""

    def __init__(self, client: Redis, alone: TokenShelf, prefix: str) -> None:
        """Fall back to ``alone``, the shelf of this process."""
        self._client = client
        self._alone = alone
        self._prefix = f"{prefix}:token"
        self._availability = Availability()

    async def read(self, name: str) -> KeptToken | None:
        """Give what was kept last, also when it is no longer good; None when there is nothing."""
        if self._availability.is_away:
            return await self._alone.read(name)
        try:
            text = await self._client.get(f"{self._prefix}:{name}")
        except GONE as problem:
            self._availability.failed(problem)
            return await self._alone.read(name)
        self._availability.worked()
        if text is None:
            return None
        kept = json.loads(text)
        return KeptToken(kept["token"], datetime.fromisoformat(kept["good_until"]))

    async def write(self, name: str, kept: KeptToken) -> None:
        """Keep a token in place of the one before."""
        await self._alone.write(name, kept)
        text = json.dumps({"token": kept.token, "good_until": kept.good_until.isoformat()})
        try:
            await self._client.set(f"{self._prefix}:{name}", text, ex=_KEPT_FOR)
        except GONE as problem:
            self._availability.failed(problem)

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Hold the right to fetch; a holder that dies loses it after 20 s."""
        lock = self._client.lock(
            f"{self._prefix}-lock:{name}", timeout=_FETCH_WITHIN_S, blocking_timeout=_FETCH_WITHIN_S, sleep=0.05
        )
        async with self._alone.turn(name):
            try:
                held = await lock.acquire()
            except GONE as problem:
                self._availability.failed(problem)
                held = False
            try:
                yield
            finally:
                if held:
                    await self._let_go(lock)

    async def _let_go(self, lock: object) -> None:
        try:
            await lock.release()  # type: ignore[attr-defined]
        except LockError:
            return
        except GONE as problem:
            self._availability.failed(problem)
