"""The in-process LiveFeed: from the moment of subscribing, bounded, never waiting."""

from __future__ import annotations

import asyncio
import gc

import pytest

from bot.domain.ports import LiveEvent
from bot.engine.live import MemoryLiveFeed


def event(number: int, topic: str = "desk") -> LiveEvent:
    """Make a numbered event."""
    return LiveEvent(topic, "changed", {"number": number})


async def test_subscriber_hears_its_topics_from_the_start():
    """What is published after subscribe and before the first read is heard; other topics are not."""
    feed = MemoryLiveFeed()
    reader = feed.subscribe(["desk", "conversation:1"])
    await feed.publish(event(1))
    await feed.publish(event(2, "conversation:2"))
    await feed.publish(event(3, "conversation:1"))
    assert [(await anext(reader)).data["number"] for _ in range(2)] == [1, 3]


async def test_waiting_reader_is_woken():
    """A reader asleep hears the next event."""
    feed = MemoryLiveFeed()
    reader = feed.subscribe(["desk"])
    heard = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    await feed.publish(event(1))
    assert (await heard).data["number"] == 1


async def test_slow_reader_loses_the_oldest_and_is_told():
    """Publishing never waits: the queue is bounded and the loss is said."""
    feed = MemoryLiveFeed(queued_events=3)
    reader = feed.subscribe(["desk"])
    for number in range(10):
        await feed.publish(event(number))
    heard = [await anext(reader) for _ in range(4)]
    assert heard[0].kind == "lost"
    assert [one.data["number"] for one in heard[1:]] == [7, 8, 9]


async def test_closed_reader_ends_and_is_forgotten():
    """Closing ends the loop, also of a reader asleep, and nothing is kept for it."""
    feed = MemoryLiveFeed()
    reader = feed.subscribe(["desk"])
    heard = asyncio.ensure_future(anext(reader))
    await asyncio.sleep(0)
    await reader.aclose()
    with pytest.raises(StopAsyncIteration):
        await heard
    await feed.publish(event(1))
    assert feed._readers == {}


async def test_abandoned_reader_is_forgotten():
    """A page that went away without a word leaves nothing behind."""
    feed = MemoryLiveFeed()
    reader = feed.subscribe(["desk"])
    del reader
    gc.collect()
    await feed.publish(event(1))
    assert feed._readers == {}
