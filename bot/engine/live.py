"""In-process LiveFeed: bells for open pages. Nothing here is a truth; whoever hears a bell looks again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from weakref import WeakSet

from bot.domain.conversation import Conversation
from bot.domain.ids import ConversationId
from bot.domain.ports import LiveEvent

DESK_TOPIC = "desk"
_QUEUED_EVENTS = 100


def conversation_topic(conversation_id: ConversationId) -> str:
    """Name the topic of one conversation."""
    return f"conversation:{conversation_id}"


def shopper_topic(channel: str, account: str, channel_user_id: str) -> str:
    """Name the topic of one shopper's own page."""
    return f"shopper:{channel}:{account}:{channel_user_id}"


def changed(conversation_id: ConversationId) -> tuple[LiveEvent, LiveEvent]:
    """Shape the bells of a changed conversation: its own page and the desk."""
    data = {"conversation_id": conversation_id}
    return LiveEvent(conversation_topic(conversation_id), "changed", data), LiveEvent(DESK_TOPIC, "changed", data)


def typing(conversation: Conversation) -> LiveEvent:
    """Shape the bell that tells a shopper that an answer is being made."""
    topic = shopper_topic(conversation.channel, conversation.account, conversation.channel_user_id)
    return LiveEvent(topic, "typing", {"conversation_id": conversation.id})


class Subscription(AsyncIterator[LiveEvent]):
    """What one reader follows; ``aclose`` ends it."""

    def __init__(self, topics: Sequence[str], queued_events: int) -> None:
        self.topics = frozenset(topics)
        self._queue: deque[LiveEvent] = deque()
        self._queued_events = queued_events
        self._lost = False
        self._closed = False
        self._filled = asyncio.Event()

    def put(self, event: LiveEvent) -> None:
        """Queue an event; when full the oldest is lost and the reader will be told."""
        if len(self._queue) >= self._queued_events:
            self._queue.popleft()
            self._lost = True
        self._queue.append(event)
        self._filled.set()

    async def __anext__(self) -> LiveEvent:
        while not self._queue:
            if self._closed:
                raise StopAsyncIteration
            self._filled.clear()
            await self._filled.wait()
        if self._lost:
            self._lost = False
            return LiveEvent(self._queue[0].topic, "lost")
        return self._queue.popleft()

    async def aclose(self) -> None:
        """End the iteration; a waiting reader is released."""
        self._closed = True
        self._queue.clear()
        self._filled.set()

    @property
    def closed(self) -> bool:
        """Tell whether the reader has gone."""
        return self._closed


class MemoryLiveFeed:
    """Tells pages served by this process; the default twin of the port ``LiveFeed``."""

    def __init__(self, queued_events: int = _QUEUED_EVENTS) -> None:
        """Keep at most ``queued_events`` for a reader that does not read."""
        self._queued_events = queued_events
        self._readers: dict[str, WeakSet[Subscription]] = {}

    async def publish(self, event: LiveEvent) -> None:
        """Tell everyone subscribed to the topic; never waits."""
        readers = self._readers.get(event.topic)
        if readers is None:
            return
        for reader in list(readers):
            if reader.closed:
                readers.discard(reader)
            else:
                reader.put(event)
        if not readers:
            del self._readers[event.topic]

    def subscribe(self, topics: Sequence[str]) -> Subscription:
        """Follow topics from now on; close it with ``aclose`` (or by letting it go)."""
        reader = Subscription(topics, self._queued_events)
        for topic in reader.topics:
            self._readers.setdefault(topic, WeakSet()).add(reader)
        return reader

    def is_followed(self, topic: str) -> bool:
        """Tell whether anybody follows the topic."""
        return topic in self._readers

    async def tell_lost(self) -> None:
        """Tell everyone that events may have been missed, so that they look again."""
        for topic in list(self._readers):
            await self.publish(LiveEvent(topic, "lost"))
