"""LiveFeed over Redis: every web process hears every bell and tells its own readers."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from redis.asyncio import Redis

from bot.domain.ports import LiveEvent
from storage.redis.server import GONE, Availability

_RECONNECT_S = 1.0
_POLL_S = 1.0
_UNSENT_EVENTS = 10_000


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
        self._unsent: deque[LiveEvent] = deque(maxlen=_UNSENT_EVENTS)
        self._sending: asyncio.Task[None] | None = None

    async def publish(self, event: LiveEvent) -> None:
        """Tell everyone subscribed to the topic in any process; returns before they are told."""
        if self._availability.is_away:
            await self._local.publish(event)
            return
        self._unsent.append(event)
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send(), name="live-feed-send")

    async def _send(self) -> None:
        """Send what has gathered in one go, until nothing is left."""
        while self._unsent:
            events = list(self._unsent)
            self._unsent.clear()
            if await self._sent(events):
                continue
            for event in events:
                await self._local.publish(event)

    async def _sent(self, events: Sequence[LiveEvent]) -> bool:
        """Send to all processes; False when the readers of this one would not hear of it."""
        try:
            await self._client.publish(self._channel, _encode(events))
        except GONE as problem:
            self._availability.failed(problem)
            return False
        self._availability.worked()
        return self._ready.is_set() or self._listening is None

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
        """Send what is left and stop listening."""
        if self._sending is not None:
            await self._sending
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
        for topic, kind, data in json.loads(message["data"]):
            if self._local.is_followed(topic):
                await self._local.publish(LiveEvent(topic, kind, data))


def _encode(events: Sequence[LiveEvent]) -> str:
    return json.dumps([(event.topic, event.kind, dict(event.data)) for event in events], separators=(",", ":"))
