"""Bursts whose bells reach different workers: only the last bell of a burst is answered."""

from __future__ import annotations

from typing import Any

from redis.asyncio import Redis

from bot.domain.clock import Clock
from bot.domain.ids import ConversationId
from storage.redis.server import GONE

_KEPT_S = 30


class BurstBook:
    """Numbers the bells of a conversation since it was last drained; a burst is put off at most ``longest_s``."""

    def __init__(self, client: Redis, prefix: str, clock: Clock, longest_s: float) -> None:
        self._client = client
        self._prefix = f"{prefix}:burst"
        self._clock = clock
        self._longest_s = longest_s

    async def number(self, conversation_id: ConversationId) -> int:
        """Give this bell its number in the burst; 0 when Redis is away."""
        key = self._key(conversation_id)
        try:
            async with self._client.pipeline(transaction=True) as pipe:
                pipe.hincrby(key, "bells", 1)
                pipe.hsetnx(key, "since", str(self._clock.now().timestamp()))
                pipe.expire(key, _KEPT_S)
                answers: list[Any] = await pipe.execute()
        except GONE:
            return 0
        return int(answers[0])

    async def is_over(self, conversation_id: ConversationId, number: int) -> bool:
        """Tell whether to answer the bell of that number now: it was the last one, or the burst has lasted too long."""
        if not number:
            return True
        key = self._key(conversation_id)
        try:
            bells, since = await self._client.hmget(key, ["bells", "since"])
            if bells is None or since is None:
                return True
            waited_s = self._clock.now().timestamp() - float(since)
            if int(bells) > number and waited_s < self._longest_s:
                return False
            await self._client.delete(key)
        except GONE:
            return True
        return True

    def _key(self, conversation_id: ConversationId) -> str:
        return f"{self._prefix}:{conversation_id}"
