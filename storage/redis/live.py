"""LiveFeed over Redis: every web process hears every bell and tells its own readers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from redis.asyncio import Redis

from bot.domain.ports import LiveEvent
from storage.redis.server import GONE, Availability

_RECONNECT_S = 1.0
_POLL_S = 1.0


class LocalFeed(Protocol):
    """The feed of this process's own readers."""

    async def publish(self, event: LiveEvent) -> None:
        """Tell everyone subscribed to the topic here."""
        ...

    def subscribe(self, topics: Sequence[str]) -> AsyncIterator[LiveEvent]:
        """Follow topics here."""
        ...

    def is_followed(self, topic: str) -> bool:
        """Tell whether anybody here follows the topic."""
        ...

    async def tell_lost(self) -> None:
        """Tell everyone here that events may have been missed."""
        ...


class RedisLiveFeed:
    """The twin of the port ``LiveFeed`` for several processes.

    While Redis is away this process's own readers are still told; when it is back everyone is told to look again.
    ``start`` it where there are readers; who only publishes need not.
    """

    def __init__(self, client: Redis, local: LocalFeed, prefix: str) -> None:
        self._client = client
        self._local = local
        self._channel = f"{prefix}:live"
        self._availability = Availability()
        self._listening: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()

    async def publish(self, event: LiveEvent) -> None:
        """Tell everyone subscribed to the topic in any process."""
        if not self._availability.is_away:
            try:
                await self._client.publish(self._channel, _encode(event))
            except GONE as problem:
                self._availability.failed(problem)
            else:
                self._availability.worked()
                if self._ready.is_set() or self._listening is None:
                    return
        await self._local.publish(event)

    def subscribe(self, topics: Sequence[str]) -> AsyncIterator[LiveEvent]:
        """Follow topics until the iterator is closed; a slow reader loses the oldest, then sees ``kind='lost'``."""
        return self._local.subscribe(topics)

    async def start(self) -> None:
        """Listen to the other processes; returns at once."""
        self._listening = asyncio.create_task(self._listen(), name="live-feed")

    async def ready(self) -> None:
        """Wait until the other processes are heard."""
        await self._ready.wait()

    async def stop(self) -> None:
        """Stop listening."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
            self._listening = None

    async def _listen(self) -> None:
        while True:
            try:
                async with self._client.pubsub() as heard:
                    await heard.subscribe(self._channel)
                    while True:
                        await self._hear(await heard.get_message(timeout=_POLL_S))
            except GONE as problem:
                self._availability.failed(problem)
            finally:
                self._ready.clear()
            await asyncio.sleep(_RECONNECT_S)

    async def _hear(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] == "subscribe":
            # Also after a connection that the client made again by itself.
            self._ready.set()
            await self._local.tell_lost()
            return
        topic, kind, data = bytes(message["data"]).decode().split("\n", 2)
        if self._local.is_followed(topic):
            await self._local.publish(LiveEvent(topic, kind, json.loads(data)))


def _encode(event: LiveEvent) -> str:
    return f"{event.topic}\n{event.kind}\n{json.dumps(dict(event.data), separators=(',', ':'))}"
