"""Live bells: heard by who may, ended with the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sse_starlette import ServerSentEvent
from starlette.requests import Request

from bot.console.live import follow
from bot.console.pages import load_pages
from bot.console.visits import Console, Visit
from bot.domain.ports import LiveEvent
from tests.integration.console.shop import Shop

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""Nothing here depends on the kind of database."""


@pytest.fixture
async def visit(shop: Shop) -> Visit:
    """Give the visit of an agent."""
    session = await shop.desk.sessions.open(shop.agents["li"])
    request = Request({"type": "http", "method": "GET", "path": "/live", "headers": [], "query_string": b""})
    return Visit(Console(shop.desk, load_pages(), {}, secure=False), request, session, shop.agents["li"])


async def _next(bells: AsyncIterator[ServerSentEvent]) -> str:
    return str((await asyncio.wait_for(anext(bells), 5)).event)


async def _started(shop: Shop, bells: AsyncIterator[ServerSentEvent]) -> asyncio.Task[str]:
    task = asyncio.create_task(_next(bells))
    await asyncio.wait_for(shop.live.followed.wait(), 5)
    return task


async def test_bell_rings_for_the_desk_and_the_open_conversation_only(shop: Shop, visit: Visit):
    """What happens elsewhere is not heard."""
    bells = follow(visit, ["desk", "conversation:c1"], 5)
    heard = await _started(shop, bells)
    await shop.live.publish(LiveEvent("conversation:c2", "changed"))
    await shop.live.publish(LiveEvent("conversation:c1", "changed"))
    assert await heard == "conversation"
    await shop.live.publish(LiveEvent("desk", "changed"))
    assert await _next(bells) == "desk"
    await bells.aclose()


async def test_bell_that_was_lost_renews_everything(shop: Shop, visit: Visit):
    """A reader too slow to hear all is told to look at all."""
    bells = follow(visit, ["desk"], 5)
    heard = await _started(shop, bells)
    await shop.live.publish(LiveEvent("desk", "lost"))
    assert await heard == "desk"
    assert await _next(bells) == "conversation"
    await bells.aclose()


async def test_stream_ends_when_the_session_does(shop: Shop, visit: Visit):
    """Who was shut out hears nothing more, even on a page left open."""
    bells = follow(visit, ["desk"], 0.01)
    await shop.desk.sessions.end_all(shop.agents["li"].id)
    assert await _next(bells) == "signed-out"
    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(anext(bells), 5)


async def test_open_page_keeps_the_person_present(shop: Shop, visit: Visit):
    """An agent who only looks counts as there."""
    bells = follow(visit, ["desk"], 0.01)
    heard = await _started(shop, bells)
    for _ in range(200):
        person = await shop.stores.people.by_id(shop.agents["li"].id)
        if person is not None and person.last_seen_at is not None:
            break
        await asyncio.sleep(0.01)
    assert person is not None
    assert person.last_seen_at == shop.clock.now()
    heard.cancel()
    await asyncio.gather(heard, return_exceptions=True)
