"""One process at a time drains a conversation, and whoever lets go sees what came meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId
from storage.database import Database
from storage.locks import PostgresqlLocks
from tests.contract.line import NOW, Line

pytestmark = pytest.mark.postgresql


@pytest.fixture
async def processes(postgresql_url: str) -> AsyncIterator[tuple[PostgresqlLocks, PostgresqlLocks]]:
    """Give the locks of two processes."""
    both = PostgresqlLocks(postgresql_url, ManualClock(NOW)), PostgresqlLocks(postgresql_url, ManualClock(NOW))
    yield both
    for each in both:
        await each.close()


@pytest.fixture
async def shop(postgresql_url: str) -> AsyncIterator[Line]:
    """Give the stores of the same database."""
    database = Database(postgresql_url)
    yield Line(database)
    database.close()


async def test_conversation_is_drained_by_one_process(processes: tuple[PostgresqlLocks, PostgresqlLocks], shop: Line):
    """The second is sent away until the first has let go; another conversation is free."""
    first, second = processes
    one, other = await shop.accept("k1"), ConversationId("f" * 32)
    assert await first.enter(one)
    assert not await second.enter(one)
    assert await second.enter(other)
    await first.leave(one, waiting=False)
    assert await second.enter(one)


async def test_leaving_tells_what_came_meanwhile(processes: tuple[PostgresqlLocks, PostgresqlLocks], shop: Line):
    """An unread message and a message to send both want another look; what is held back on purpose does not."""
    locks, _ = processes
    conversation_id = await shop.accept("k1")
    await locks.enter(conversation_id)
    assert await locks.leave(conversation_id, waiting=True)
    await shop.commit(await shop.pending(conversation_id), "您好")
    looks = []
    for waiting in (True, False):
        await locks.enter(conversation_id)
        looks.append(await locks.leave(conversation_id, waiting=waiting))
    assert looks == [False, True]
    item = await shop.outbox.next_due(conversation_id, NOW)
    assert item is not None
    await shop.outbox.mark_deferred(item.id, NOW + timedelta(seconds=9), "429")
    await locks.enter(conversation_id)
    assert not await locks.leave(conversation_id, waiting=False)


async def test_leaving_without_the_lock_wants_another_look(
    processes: tuple[PostgresqlLocks, PostgresqlLocks], shop: Line
):
    """The connection broke while the conversation was drained: nobody knows what came."""
    locks, _ = processes
    conversation_id = await shop.accept("k1")
    await locks.enter(conversation_id)
    await locks._run(locks._drop)
    assert await locks.leave(conversation_id, waiting=True)
