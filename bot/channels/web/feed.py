"""One visitor's event stream: what the record holds, told again whenever the bell rings."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

from sse_starlette import ServerSentEvent

from bot.channels.web.adapter import shopper_topic
from bot.channels.web.sentences import Declined, Problem
from bot.domain.channel_ports import ShopperStream, StreamItem
from bot.domain.messages import Sender
from bot.domain.ports import LiveEvent, LiveFeed

_PAGE = 100
_LATE = 30
_QUEUED_BELLS = 64
_RETRY_MS = 2000
_SLOT_WAIT_S = 30


def item_json(item: StreamItem) -> dict[str, Any]:
    """Shape an item as the widget reads it; ``client_id`` is the id the visitor's own page gave the message."""
    return {
        "seq": item.seq,
        "at": item.at.isoformat(),
        "sender": item.sender,
        "text": item.text,
        "attachments": [{"id": one.reference, "kind": one.kind.value, "name": one.name} for one in item.attachments],
        "buttons": [{"label": button.label, "payload": button.payload} for button in item.buttons],
        "agent_name": item.agent_name,
        "client_id": item.client_key.rpartition(":")[2],
    }


class StreamSlots:
    """Bounds how many streams one visitor holds open."""

    def __init__(self, per_visitor: int = 8) -> None:
        self._per_visitor = per_visitor
        self._open: Counter[str] = Counter()

    def check(self, visitor_id: str) -> None:
        """Decline when all of the visitor's slots are taken."""
        if self._open[visitor_id] >= self._per_visitor:
            raise Declined(Problem.TOO_FAST, seconds=_SLOT_WAIT_S)

    @contextmanager
    def hold(self, visitor_id: str) -> Iterator[None]:
        """Hold a slot while the stream is open."""
        self._open[visitor_id] += 1
        try:
            yield
        finally:
            self._open[visitor_id] -= 1
            if not self._open[visitor_id]:
                del self._open[visitor_id]


class VisitorFeed:
    """The stream of one visitor, from after a sequence number on.

    The bell only says that something changed; every ``poll_s`` seconds the record is read without it, so that a lost
    bell costs time and no message.
    """

    def __init__(self, sender: Sender, stream: ShopperStream, live: LiveFeed, poll_s: float) -> None:
        self._sender = sender
        self._stream = stream
        self._live = live
        self._poll_s = poll_s
        self._bells: asyncio.Queue[LiveEvent] = asyncio.Queue(_QUEUED_BELLS)
        self._seen: set[int] = set()

    async def events(self, after_seq: int) -> AsyncGenerator[ServerSentEvent, None]:
        """Tell everything after ``after_seq``, then whatever comes, until closed."""
        listener = asyncio.create_task(self._listen())
        try:
            await asyncio.sleep(0)  # lets the listener subscribe before the first reading
            yield ServerSentEvent(event="ready", data="{}", retry=_RETRY_MS)
            last = after_seq
            self._seen = {item.seq for item in await self._stream.latest(self._sender, _LATE) if item.seq <= last}
            while True:
                for item in await self._unseen(last):
                    last = max(last, item.seq)
                    yield ServerSentEvent(event="message", id=str(last), data=json.dumps(item_json(item)))
                for bell in await self._rung():
                    if bell.kind == "typing":
                        yield ServerSentEvent(event="typing", data=json.dumps({"on": bell.data.get("on") is not False}))
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)

    async def _unseen(self, last: int) -> list[StreamItem]:
        """Read what is new, and what was sent late although it is numbered before ``last``."""
        found: dict[int, StreamItem] = {}
        page_start = last
        while True:
            page = await self._stream.since(self._sender, page_start, _PAGE)
            found.update((item.seq, item) for item in page)
            if len(page) < _PAGE:
                break
            page_start = page[-1].seq
        if last:
            found.update((item.seq, item) for item in await self._stream.latest(self._sender, _LATE))
        new = [found[seq] for seq in sorted(found) if seq not in self._seen]
        self._seen.update(item.seq for item in new)
        return new

    async def _rung(self) -> list[LiveEvent]:
        """Wait for a bell, or as long as ``poll_s``; give all bells that have rung."""
        bells: list[LiveEvent] = []
        with contextlib.suppress(TimeoutError):
            bells.append(await asyncio.wait_for(self._bells.get(), self._poll_s))
        while not self._bells.empty():
            bells.append(self._bells.get_nowait())
        return bells

    async def _listen(self) -> None:
        """Move bells from the feed to the queue; when it is full the waiting bells say enough."""
        topic = shopper_topic(self._sender.account, self._sender.channel_user_id)
        async with contextlib.AsyncExitStack() as stack:
            events = self._live.subscribe([topic])
            close = getattr(events, "aclose", None)
            if close is not None:
                stack.push_async_callback(close)
            async for event in events:
                with contextlib.suppress(asyncio.QueueFull):
                    self._bells.put_nowait(event)
