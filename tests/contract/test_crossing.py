"""Two changes of one conversation that cross: the second one waits, then sees what the first has done."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, text

from bot.domain.conversation import Owner
from bot.domain.errors import Conflict
from bot.domain.line_ports import TurnOutbox
from bot.domain.people import Agent
from storage import inbox, outbox, ownership
from storage.database import Database
from storage.ownership import ChangeOfOwner
from storage.tables import OUTBOX
from storage.turns import SqlTurnStore
from tests.contract.line import NOW, Line, commit_of, message, says

_WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")


@asynccontextmanager
async def _paused(database: Database, unit: Callable[[Connection], object]) -> AsyncIterator[None]:
    """Run a unit and hold it before its commit for as long as the block lasts."""
    done, let_go = threading.Event(), threading.Event()

    def paused(connection: Connection) -> None:
        unit(connection)
        done.set()
        let_go.wait(60)

    running = asyncio.ensure_future(database.run(paused))
    await asyncio.to_thread(done.wait, 60)
    try:
        yield
    finally:
        let_go.set()
        await running


async def _until_it_waits(database: Database, task: asyncio.Future[Any]) -> None:
    """Wait until the task has run into the other's lock (or, wrongly, through it)."""
    await asyncio.sleep(0)
    while not database.is_sqlite and not task.done():
        if await database.read(lambda connection: connection.execute(_WAITING).scalar()):
            return
        await asyncio.sleep(0.01)  # a lock that is waited for rings no bell


def _resolve(line: Line, conversation_id: str, agent: Agent) -> Callable[[Connection], object]:
    change = ChangeOfOwner(Owner.RESOLVED, agent.id, agent)
    return lambda connection: line.ownership._leave(connection, conversation_id, change, "notice.resolved", NOW)


async def test_take_waits_for_another_take_and_loses(line: Line):
    """The second agent is told who has it, however close the two clicks are."""
    conversation_id = await line.answered()
    mei, tom = await line.hire("mei"), await line.hire("tom")
    async with _paused(line.database, lambda on: line.ownership._take(on, conversation_id, tom, NOW)):
        second = asyncio.ensure_future(line.ownership.take(conversation_id, mei, NOW))
        await _until_it_waits(line.database, second)
    with pytest.raises(Conflict, match="Tom already has"):
        await second


async def test_commit_turn_waits_for_a_take_and_is_refused(line: Line):
    """A turn that was computed before the agent came writes nothing after."""
    conversation_id = await line.accept("k1")
    turn = await line.pending(conversation_id)
    tom = await line.hire("tom")
    async with _paused(line.database, lambda on: line.ownership._take(on, conversation_id, tom, NOW)):
        commit = asyncio.ensure_future(line.commit(turn, "您好"))
        await _until_it_waits(line.database, commit)
    with pytest.raises(Conflict, match="epoch 1"):
        await commit


async def test_message_that_crosses_a_resolve_opens_the_next(line: Line):
    """The message comes while the conversation is being resolved: it is not buried in the old one."""
    conversation_id = await line.answered()
    agent = await line.hire("mei")
    async with _paused(line.database, _resolve(line, conversation_id, agent)):
        accepting = asyncio.ensure_future(line.accept("k2"))
        await _until_it_waits(line.database, accepting)
    opened = await accepting
    assert opened != conversation_id
    assert [each.dedupe_key for _, each in (await line.pending(opened)).inbox] == ["k2"]


async def test_resolve_that_crosses_a_message_moves_it_to_the_next(line: Line):
    """The conversation is resolved while the message is being taken in: it is not buried either."""
    conversation_id = await line.answered()
    agent = await line.hire("mei")
    async with _paused(line.database, lambda on: inbox._accept_all(on, [message("k2")], NOW)):
        resolving = asyncio.ensure_future(line.ownership.resolve(conversation_id, agent, NOW))
        await _until_it_waits(line.database, resolving)
    await resolving
    (opened,) = {each for each in await line.turns.pending_conversations() if each != conversation_id}
    assert [each.dedupe_key for _, each in (await line.pending(opened)).inbox] == ["k2"]


async def test_first_messages_that_cross_share_one_conversation(line: Line):
    """Two first messages of a new shopper at once: the second joins what the first has opened."""
    async with _paused(line.database, lambda on: inbox._accept_all(on, [message("k1")], NOW)):
        accepting = asyncio.ensure_future(line.accept("k2"))
        await _until_it_waits(line.database, accepting)
    assert [each.dedupe_key for _, each in (await line.pending(await accepting)).inbox] == ["k1", "k2"]


async def test_repeat_that_crosses_its_first_delivery_is_told(line: Line):
    """The platform delivers again before the first commit: still one message."""
    async with _paused(line.database, lambda on: inbox._accept_all(on, [message("k1")], NOW)):
        accepting = asyncio.ensure_future(line.inbox.accept([message("k1")], NOW))
        await _until_it_waits(line.database, accepting)
    assert [each.duplicate for each in await accepting] == [True]


async def test_commit_turn_shows_nothing_before_what_it_waited_for(line: Line):
    """A notice is put in while the turn waits for the row: it goes first, so the outbox is to be read."""
    turns = SqlTurnStore(line.database, frozenset({"web"}))
    conversation_id = await line.accept("k1")
    turn = await line.pending(conversation_id)

    def notify(on: Connection) -> None:
        ownership.locked(on, conversation_id)
        outbox.add(on, conversation_id, [says("店铺通知", "notice")], NOW)
        on.execute(ownership.SAVE, {"conversation": conversation_id, "last_sender": "notice"})

    async with _paused(line.database, notify):
        commit = asyncio.ensure_future(turns.commit_turn(commit_of(turn, "您好")))
        await _until_it_waits(line.database, commit)
    assert await commit == TurnOutbox()
    assert [row["state"] for row in await line.rows(OUTBOX)] == ["pending", "pending"]
