"""Threads of conversations that are over: let go once, after the last word in them, and never those of a new one."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bot.channels._meta import releasing
from bot.channels._meta.releasing import ReleasedThreads
from bot.channels.plug import Heard
from bot.domain.errors import StorageError
from bot.domain.ids import ConversationId
from bot.domain.people import Agent
from bot.simulators.meta.graph import Declined
from storage.database import Database
from storage.platform_sessions import SqlPlatformSessions
from tests.integration.channels.test_meta_routing import ANN, Page


@dataclass
class Leaving:
    """An agent who has Ann's conversation, and what lets threads go."""

    page: Page
    released: ReleasedThreads
    agent: Agent
    conversation: ConversationId

    async def resolve(self) -> None:
        """End the conversation."""
        self.page.clock.advance(timedelta(minutes=1))
        await self.page.line.ownership.resolve(self.conversation, self.agent, self.page.clock.now())


async def leads() -> bool:
    """Be the one that looks."""
    return True


def heard(page: Page, database: Database) -> Heard:
    """Make what is used of the house."""
    made = SimpleNamespace(clock=page.clock, sessions=SqlPlatformSessions(database), leads=leads)
    return cast("Heard", made)


@pytest.fixture(params=["messenger", "instagram"])
async def leaving(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Leaving]:
    database = Database(f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'shop.db')}")
    page = Page(database, request.param)
    await page.people.say(ANN, "hi")
    await page.answers("hello")
    agent = await page.line.hire("mei")
    conversation = await page.conversation()
    await page.line.ownership.take(conversation, agent, page.clock.now())
    released = ReleasedThreads(page.channel, page.adapter, heard(page, database))
    yield Leaving(page, released, agent, conversation)
    await page.http.aclose()
    await page.adapter.close()
    database.close()


async def test_thread_is_let_go_when_its_conversation_is_over(leaving: Leaving):
    """Once, and not before the last word is sent; while somebody has it, it is kept."""
    server = leaving.page.server
    await leaving.page.delivery.deliver(leaving.conversation)
    assert await leaving.released.follow()
    await leaving.resolve()
    waits = await leaving.page.line.outbox.next_due(leaving.conversation, leaving.page.clock.now()) is not None
    assert await leaving.released.follow()
    assert server.released == ([] if waits else [ANN])
    await leaving.page.delivery.deliver(leaving.conversation)
    for _ in range(3):
        assert await leaving.released.follow()
    assert server.released == [ANN]


async def test_what_the_customer_has_begun_since_is_not_let_go(leaving: Leaving):
    """He has one thread: that of the new conversation is ours to answer in."""
    await leaving.resolve()
    await leaving.page.delivery.deliver(leaving.conversation)
    leaving.page.clock.advance(timedelta(seconds=5))
    await leaving.page.people.say(ANN, "one more thing")
    assert await leaving.released.follow()
    assert leaving.page.server.released == []


@pytest.mark.parametrize("fault", [Declined(503, 2, "down"), Declined(401, 190, "expired"), Declined(400, 613, "slow")])
async def test_platform_in_trouble_is_asked_again(leaving: Leaving, fault: Declined):
    """Nothing is forgotten."""
    await leaving.resolve()
    await leaving.page.delivery.deliver(leaving.conversation)
    leaving.page.server.knobs.fail_next = [fault]
    assert not await leaving.released.follow()
    assert await leaving.released.follow()
    assert leaving.page.server.released == [ANN]


async def test_thread_that_another_has_is_left_there(leaving: Leaving):
    """What is not ours cannot be let go; it is not asked for again and again."""
    await leaving.resolve()
    await leaving.page.delivery.deliver(leaving.conversation)
    leaving.page.server.held_elsewhere.add(ANN)
    assert await leaving.released.follow()
    leaving.page.server.held_elsewhere.clear()
    assert await leaving.released.follow()
    assert leaving.page.server.released == []


@pytest.mark.parametrize("fault", [StorageError("the database is away"), RuntimeError("nobody thought of it")])
async def test_looking_goes_on_after_a_fault_and_ends_with_the_house(
    leaving: Leaving, monkeypatch: pytest.MonkeyPatch, fault: Exception
):
    """A database that is away for a moment stops nothing, nor does any other fault."""
    monkeypatch.setattr(releasing, "LOOK_EVERY_S", 0.01)
    monkeypatch.setattr(releasing, "_AGAIN_AFTER_S", 0.01)
    real = heard(leaving.page, leaving.page.database)
    tries: list[str] = []

    async def due(*arguments: Any) -> Any:
        tries.append("asked")
        if len(tries) == 1:
            raise fault
        return await SqlPlatformSessions(leaving.page.database).due(*arguments)

    sessions = SimpleNamespace(due=due, mark=real.sessions.mark)
    ours = cast("Heard", SimpleNamespace(clock=real.clock, sessions=sessions, leads=leads))
    await leaving.resolve()
    await leaving.page.delivery.deliver(leaving.conversation)
    async with releasing.releasing(leaving.page.channel, leaving.page.adapter, ours):
        async with asyncio.timeout(20):
            while not leaving.page.server.released:  # noqa: ASYNC110 - the simulator has no event for it
                await asyncio.sleep(0.01)
    asked = len(tries)
    await asyncio.sleep(0.05)
    assert len(tries) == asked
