"""What one process asks and another answers, over Redis; none of it is kept longer than it is waited for."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import secrets
import time
from collections.abc import Awaitable, Callable
from typing import Any

from redis.asyncio import Redis

from storage.redis.server import GONE, Availability

_LOG = logging.getLogger(__name__)
_LOOK_S = 1
"""How long one command waits: less than a connection's own patience."""
_RECONNECT_S = 1.0


class RedisQuestions:
    """Questions of one kind: whoever listens takes the next one, and its answer goes to who asked."""

    def __init__(self, client: Redis, prefix: str, kind: str) -> None:
        """Use the list ``<prefix>:<kind>`` and one short-lived list for each answer."""
        self._client = client
        self._queue = f"{prefix}:{kind}"
        self._availability = Availability()

    async def ask(self, text: str, within_s: float) -> str | None:
        """Ask; None when nobody answers in time or Redis is away. Never raises."""
        if self._availability.is_away:
            return None
        try:
            answer = await self._ask(text, within_s)
        except GONE as problem:
            self._availability.failed(problem)
            return None
        self._availability.worked()
        return answer

    async def _ask(self, text: str, within_s: float) -> str | None:
        number = secrets.token_hex(16)
        question = json.dumps([number, text])
        async with self._client.pipeline(transaction=True) as together:
            together.rpush(self._queue, question)
            together.expire(self._queue, math.ceil(within_s))
            await together.execute()
        until = time.monotonic() + within_s
        while (left_s := until - time.monotonic()) > 0:
            found: Any = await self._client.blpop([self._place(number)], timeout=min(_LOOK_S, max(left_s, 0.01)))
            if found is not None:
                return str(json.loads(found[1]))
        # Nobody shall answer what nobody waits for.
        await self._client.lrem(self._queue, 1, question)
        return None

    async def listen(self, answer: Callable[[str], Awaitable[str]]) -> None:
        """Answer one question after the other until cancelled; one whose answering fails stays unanswered."""
        task = asyncio.current_task()
        # A pipeline of redis-py that is cancelled may finish as if nothing had been: so it is asked each time.
        while task is None or not task.cancelling():
            try:
                found: Any = await self._client.blpop([self._queue], timeout=_LOOK_S)
                self._availability.worked()
                if found is not None:
                    await self._answer(found[1], answer)
            except GONE as problem:
                self._availability.failed(problem)
                await asyncio.sleep(_RECONNECT_S)

    async def _answer(self, question: bytes, answer: Callable[[str], Awaitable[str]]) -> None:
        try:
            number, text = json.loads(question)
            # As JSON is plain ASCII: any text passes, half a surrogate pair too.
            said = json.dumps(await answer(text))
        except Exception as problem:  # noqa: BLE001 - who asked is told that nobody answered
            _LOG.warning("a question of another process is not answered (%s)", type(problem).__name__)
            return
        async with self._client.pipeline(transaction=True) as together:
            together.rpush(self._place(number), said)
            together.expire(self._place(number), 2 * _LOOK_S)
            await together.execute()

    def _place(self, number: str) -> str:
        return f"{self._queue}:{number}"
