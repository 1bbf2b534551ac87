"""Small doubles of the ports for channel tests: an inbox, a shopper's stream, a live feed, a running server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime

import uvicorn
from starlette.types import ASGIApp

from bot.domain.channel_ports import StreamItem
from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId, InboxId
from bot.domain.line_ports import Accepted
from bot.domain.messages import Button, InboundMessage, Sender
from bot.domain.ports import LiveEvent
from bot.domain.windows import Opening, lasts

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)


class MemoryInbox:
    """An ``OnMessages`` that keeps messages once each, as the real inbox does."""

    def __init__(self) -> None:
        self.messages: list[InboundMessage] = []
        self._keys: dict[tuple[str, str, str], int] = {}
        self.calls = 0

    async def __call__(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        """Take messages in; a known key is a duplicate."""
        self.calls += 1
        return tuple(self._accept(message) for message in messages)

    def _accept(self, message: InboundMessage) -> Accepted:
        sender = message.sender
        key = (sender.channel, sender.account, message.dedupe_key)
        duplicate = key in self._keys
        if not duplicate:
            self.messages.append(message)
            self._keys[key] = len(self.messages)
        conversation = ConversationId(f"c-{sender.channel}-{sender.channel_user_id}")
        return Accepted(conversation, InboxId(self._keys[key]), duplicate)


class MemoryReplyTokens:
    """The reply tokens of what came into an inbox, each good once and in its time, as the ledger keeps them."""

    def __init__(self, inbox: MemoryInbox) -> None:
        self._inbox = inbox
        self._spent: set[str] = set()

    async def token(self, conversation_id: ConversationId, kind: Opening, at: datetime) -> str:
        """Give nothing: no code of another kind comes."""
        del conversation_id, kind, at
        return ""

    async def take(self, conversation_id: ConversationId, at: datetime) -> str:
        """Use up the newest token, whoever brought it."""
        del conversation_id
        brought = [message for message in self._inbox.messages if message.reply_token]
        if not brought or at - brought[-1].sent_at > lasts(Opening.REPLY) or brought[-1].reply_token in self._spent:
            return ""
        self._spent.add(brought[-1].reply_token)
        return brought[-1].reply_token


class MemoryLiveFeed:
    """A LiveFeed in one process."""

    def __init__(self) -> None:
        self._queues: list[tuple[frozenset[str], asyncio.Queue[LiveEvent]]] = []

    async def publish(self, event: LiveEvent) -> None:
        """Hand the event to every subscriber of its topic."""
        for topics, queue in self._queues:
            if event.topic in topics:
                queue.put_nowait(event)

    async def subscribe(self, topics: Sequence[str]) -> AsyncIterator[LiveEvent]:
        """Follow topics."""
        entry: tuple[frozenset[str], asyncio.Queue[LiveEvent]] = (frozenset(topics), asyncio.Queue())
        self._queues.append(entry)
        try:
            while True:
                yield await entry[1].get()
        finally:
            self._queues.remove(entry)

    @property
    def followers(self) -> int:
        """Count open subscriptions."""
        return len(self._queues)


class MemoryShopperStream:
    """A ShopperStream over a list; ``say`` adds to it and rings the bell."""

    def __init__(self, live: MemoryLiveFeed, clock: ManualClock) -> None:
        self._live = live
        self._clock = clock
        self._items: dict[tuple[str, str, str], list[StreamItem]] = {}
        self._seq = 0

    async def since(self, sender: Sender, after_seq: int, limit: int) -> tuple[StreamItem, ...]:
        """List items after ``after_seq``, oldest first."""
        return tuple(item for item in self._of(sender) if item.seq > after_seq)[:limit]

    async def latest(self, sender: Sender, limit: int) -> tuple[StreamItem, ...]:
        """List the newest ``limit`` items, oldest first."""
        return tuple(self._of(sender)[-limit:])

    async def say(
        self,
        sender: Sender,
        who: str,
        text: str,
        *,
        buttons: tuple[Button, ...] = (),
        agent_name: str = "",
        client_key: str = "",
        seq: int = 0,
        ring: bool = True,
    ) -> StreamItem:
        """Record one message as visible to the shopper."""
        self._seq = max(self._seq + 1, seq)
        item = StreamItem(seq or self._seq, self._clock.now(), who, text, buttons, agent_name, client_key)
        items = self._of(sender)
        items.append(item)
        items.sort(key=lambda kept: kept.seq)
        if ring:
            topic = f"shopper:{sender.channel}:{sender.account}:{sender.channel_user_id}"
            await self._live.publish(LiveEvent(topic, "message"))
        return item

    def _of(self, sender: Sender) -> list[StreamItem]:
        return self._items.setdefault((sender.channel, sender.account, sender.channel_user_id), [])


async def eventually(true: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until ``true()``; TimeoutError when it stays false."""
    async with asyncio.timeout(timeout_s):
        while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Run ``app`` on a free loopback port; gives its base address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    task = asyncio.create_task(server.serve())
    try:
        await eventually(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task
