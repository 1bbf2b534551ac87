"""Where the record is the delivery, what a turn says is sent with its commit, and never out of order."""

from __future__ import annotations

import pytest

from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.line_ports import TurnOutbox
from storage.stream import SqlShopperStream
from storage.tables import EVENTS, OUTBOX
from storage.turns import SqlTurnStore
from tests.contract.line import NOW, Line, commit_of, sender


@pytest.fixture
def showing(line: Line) -> SqlTurnStore:
    """Give the turns of a house on whose web pages the record is the delivery."""
    return SqlTurnStore(line.database, frozenset({"web", "terminal"}))


async def _seen(line: Line) -> list[str]:
    return [each.text for each in await SqlShopperStream(line.database).latest(sender(), 10)]


async def test_turn_on_the_web_is_sent_with_its_commit(line: Line, showing: SqlTurnStore):
    """The page may read it at once, it is in order, and nothing is left to deliver."""
    conversation_id = await line.accept("k1")
    put = await showing.commit_turn(commit_of(await line.pending(conversation_id), "一", "二"))
    assert [item.message.text for item in put.shown] == ["一", "二"]
    assert put.due == ()
    rows = await line.rows(OUTBOX)
    assert [(row["id"], row["state"], row["tries"], row["done_at"]) for row in rows] == [
        (item.id, "sent", 1, NOW) for item in put.shown
    ]
    assert [row["event_seq"] for row in rows] == [row["seq"] for row in await line.rows(EVENTS)][1:]
    assert await _seen(line) == ["在吗", "一", "二"]
    assert await line.outbox.next_due(conversation_id, NOW) is None
    assert await line.turns.pending_conversations() == ()


async def test_turn_elsewhere_gives_what_the_outbox_would_give(line: Line):
    """What is delivered from the commit is what another process would read from the record."""
    conversation_id = await line.accept("k1")
    put = await line.turns.commit_turn(commit_of(await line.pending(conversation_id), "一", "二"))
    assert put.shown == ()
    assert put.due is not None
    assert [row["state"] for row in await line.rows(OUTBOX)] == ["pending", "pending"]
    for item in put.due:
        assert item == await line.outbox.next_due(conversation_id, NOW)
        await line.outbox.mark_sent(item.id, NOW, "")


async def _leave_one_waiting(line: Line) -> ConversationId:
    conversation_id = await line.answered()
    await line.accept("k2")
    return conversation_id


async def test_turn_shows_nothing_before_what_still_waits(line: Line, showing: SqlTurnStore):
    """An older message goes first, so the new one is delivered after it and not with the commit."""
    conversation_id = await _leave_one_waiting(line)
    assert await showing.commit_turn(commit_of(await line.pending(conversation_id), "二")) == TurnOutbox()
    assert [row["state"] for row in await line.rows(OUTBOX)] == ["pending", "pending"]
    assert await _seen(line) == ["在吗"]


async def test_turn_elsewhere_sends_nothing_before_what_still_waits(line: Line):
    """The outbox is read from its head."""
    conversation_id = await _leave_one_waiting(line)
    assert await line.turns.commit_turn(commit_of(await line.pending(conversation_id), "二")) == TurnOutbox()


@pytest.mark.parametrize("owner", [Owner.WAITING_FOR_AGENT, Owner.RESOLVED])
async def test_parting_words_are_shown_with_the_change_of_owner(line: Line, showing: SqlTurnStore, owner: Owner):
    """They belong to the epoch after the change, and the turn takes the longer way to its commit."""
    conversation_id = await line.accept("k1")
    put = await showing.commit_turn(commit_of(await line.pending(conversation_id), "请稍候", owner=owner))
    assert [item.message.text for item in put.shown] == ["请稍候"]
    (row,) = await line.rows(OUTBOX)
    assert (row["id"], row["state"], row["epoch"]) == (put.shown[0].id, "sent", 1)
    assert await _seen(line) == ["在吗", "请稍候"]


async def test_turn_that_says_nothing_leaves_nothing_to_deliver(line: Line, showing: SqlTurnStore):
    """Nobody looks for what is not there."""
    conversation_id = await line.accept("k1")
    assert (await showing.commit_turn(commit_of(await line.pending(conversation_id)))).due in {None, ()}
    assert await line.rows(OUTBOX) == []
