"""One owner at a time, and everybody knows who."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import insert, update

from bot.domain import events as ev
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.errors import Conflict, NotFound, RefusedInput
from bot.domain.ids import ConversationId
from bot.domain.people import Role
from storage.conversations import SqlConversationReader, SqlQueueBoard
from storage.ownership import SqlOwnershipStore
from storage.tables import AGENTS, ASSIGNMENTS, CONVERSATIONS, EVENTS, OUTBOX
from tests.contract.line import NOW, Line, sender


async def test_take_by_two_at_once_has_one_winner(line: Line):
    """The other is told who has it."""
    conversation_id = await line.answered()
    agents = [await line.hire(login) for login in ("mei", "tom", "ann", "bob")]
    ends = await asyncio.gather(
        *(line.ownership.take(conversation_id, agent, NOW) for agent in agents), return_exceptions=True
    )
    (winner,) = [agent for agent, end in zip(agents, ends, strict=True) if not isinstance(end, Exception)]
    for end in ends:
        assert not isinstance(end, Exception) or (isinstance(end, Conflict) and winner.display_name in str(end))
    (row,) = await line.rows(CONVERSATIONS)
    assert (row["agent_id"], row["epoch"], row["owner"]) == (winner.id, 1, "with_agent")
    assert await line.count(ASSIGNMENTS) == 1


async def test_take_again_by_the_holder_changes_nothing(line: Line):
    """A second click is harmless."""
    conversation_id = await line.answered()
    agent = await line.hire("mei")
    first = await line.ownership.take(conversation_id, agent, NOW)
    assert await line.ownership.take(conversation_id, agent, NOW + timedelta(minutes=1)) == first
    assert first.agent_id == agent.id
    assert await line.count(ASSIGNMENTS) == 1


async def test_each_change_is_recorded_with_its_epoch_notice_and_assignment(line: Line):
    """Take, give back, take, resolve: four epochs, four events, four notices, two closed assignments."""
    conversation_id = await line.answered()
    agent = await line.hire("mei")
    for change in (line.ownership.take, line.ownership.give_back, line.ownership.take, line.ownership.resolve):
        conversation = await change(conversation_id, agent, NOW)
    assert (conversation.owner, conversation.epoch, conversation.agent_id) == (Owner.RESOLVED, 4, None)
    recorded = [event for _, _, event in await SqlConversationReader(line.database).events(conversation_id)]
    changes = [event for event in recorded if isinstance(event, ev.OwnerChanged)]
    assert [(each.before, each.after, each.epoch, each.by) for each in changes] == [
        ("with_bot", "with_agent", 1, agent.id),
        ("with_agent", "with_bot", 2, agent.id),
        ("with_bot", "with_agent", 3, agent.id),
        ("with_agent", "resolved", 4, agent.id),
    ]
    notices = [event.reply_key for event in recorded if isinstance(event, ev.NoticeSent)]
    assert notices == ["notice.agent_joined", "notice.given_back", "notice.agent_joined", "notice.resolved"]
    assert [row["ended_at"] for row in await line.rows(ASSIGNMENTS)] == [NOW, NOW]
    assert (await line.rows(CONVERSATIONS))[0]["resolved_at"] == NOW


async def test_notice_without_words_says_nothing(line: Line):
    """A merchant may silence a notice."""
    conversation_id = await line.accept("k1")
    silent = SqlOwnershipStore(line.database, lambda _key, _data, _locale: "")
    await silent.take(conversation_id, await line.hire("mei"), NOW)
    assert await line.count(OUTBOX) == 0


async def test_resolved_cannot_be_taken(line: Line):
    """What is over stays over; resolving twice is harmless."""
    conversation_id = await line.answered()
    agent = await line.hire("mei")
    await line.ownership.resolve(conversation_id, agent, NOW)
    await line.ownership.resolve(conversation_id, agent, NOW)
    for change in (line.ownership.take, line.ownership.give_back):
        with pytest.raises(Conflict, match="resolved"):
            await change(conversation_id, agent, NOW)
    assert (await line.rows(CONVERSATIONS))[0]["epoch"] == 1


async def test_resolve_lets_unread_messages_open_the_next(line: Line):
    """A shopper who writes while the agent resolves is heard in a new conversation."""
    conversation_id = await line.answered()
    agent = await line.hire("mei")
    await line.accept("k2")
    await line.ownership.resolve(conversation_id, agent, NOW)
    next_id = await line.accept("k3")
    assert next_id != conversation_id
    assert [each.dedupe_key for _, each in (await line.pending(next_id)).inbox] == ["k2", "k3"]


async def test_leave_by_another_is_refused_unless_a_manager(line: Line):
    """Only the holder or a manager ends what somebody holds; the refusal names the holder."""
    conversation_id = await line.answered()
    mei, tom, boss = await line.hire("mei"), await line.hire("tom"), await line.hire("boss", Role.MANAGER)
    await line.ownership.take(conversation_id, mei, NOW)
    for change in (line.ownership.give_back, line.ownership.resolve):
        with pytest.raises(Conflict, match="Mei has this conversation"):
            await change(conversation_id, tom, NOW)
    assert (await line.ownership.give_back(conversation_id, boss, NOW)).owner is Owner.WITH_BOT


async def test_reply_repeat_is_sent_once(line: Line):
    """The same client key twice, also at once, is one message."""
    conversation_id = await line.answered()
    agent = await line.hire("mei")
    await line.ownership.take(conversation_id, agent, NOW)
    await asyncio.gather(*(line.ownership.reply(conversation_id, agent, "我来了", NOW, "c1") for _ in range(6)))
    await line.ownership.reply(conversation_id, agent, "我来了", NOW, "k" * 500)
    await line.ownership.reply(conversation_id, agent, "我来了", NOW, "k" * 500)
    await line.ownership.reply(conversation_id, agent, "又", NOW, "")
    await line.ownership.reply(conversation_id, agent, "又", NOW, "")
    assert [row["sender"] for row in await line.rows(OUTBOX)].count("agent") == 4
    (row,) = await line.rows(CONVERSATIONS)
    assert (row["last_text"], row["last_sender"]) == ("又", "agent")


async def test_reply_unless_held_is_refused_with_the_reason(line: Line):
    """Not taken, somebody else's, resolved: three reasons; empty words and unknown conversations too."""
    conversation_id = await line.answered()
    mei, tom = await line.hire("mei"), await line.hire("tom")
    with pytest.raises(Conflict, match="take it first"):
        await line.ownership.reply(conversation_id, mei, "hi", NOW, "c1")
    await line.ownership.take(conversation_id, tom, NOW)
    with pytest.raises(Conflict, match="Tom has this conversation"):
        await line.ownership.reply(conversation_id, mei, "hi", NOW, "c1")
    with pytest.raises(RefusedInput, match="empty"):
        await line.ownership.reply(conversation_id, tom, " \x00\n", NOW, "c1")
    await line.ownership.resolve(conversation_id, tom, NOW)
    with pytest.raises(Conflict, match="resolved"):
        await line.ownership.reply(conversation_id, tom, "hi", NOW, "c1")
    with pytest.raises(NotFound):
        await line.ownership.take(ConversationId("nobody"), tom, NOW)
    assert "agent_uttered" not in {row["kind"] for row in await line.rows(EVENTS)}


async def test_give_back_clears_the_handoff(line: Line):
    """A conversation with the bot again carries no old reason."""
    conversation_id = await line.accept("k1")
    asked = ev.HandoffRequested("angry", "要投诉", "urgent")
    await line.commit(await line.pending(conversation_id), events=(asked,), owner=Owner.WAITING_FOR_AGENT)
    agent = await line.hire("mei")
    await line.ownership.take(conversation_id, agent, NOW)
    (row,) = await line.rows(CONVERSATIONS)
    assert (row["handoff_reason"], row["waiting_since"]) == ("angry", None)
    await line.ownership.give_back(conversation_id, agent, NOW)
    assert (await line.rows(CONVERSATIONS))[0]["handoff_reason"] == ""


async def test_queue_board_counts_present_agents_and_waiting_shoppers(line: Line):
    """Long silent and locked-out people are not there."""
    board = SqlQueueBoard(line.database, ManualClock(NOW))
    seen = {"now": NOW, "late": NOW - timedelta(minutes=5), "out": NOW}
    for login, moment in seen.items():
        agent = await line.hire(login)
        values = {"last_seen_at": moment, "active": login != "out"}
        await line.database.run(
            lambda connection, who=agent.id, what=values: (
                connection.execute(update(AGENTS).where(AGENTS.c.id == who).values(**what)) and None
            )
        )
    await line.hire("never")
    turn = await line.pending(await line.accept("k1"))
    await line.commit(turn, owner=Owner.WAITING_FOR_AGENT)
    await line.accept("k2", who=sender("other"))
    assert (await board.agents_online(), await board.waiting()) == (1, 1)


async def test_reader_names_what_is_not_there(line: Line):
    """An unknown conversation is NotFound, and has no events."""
    reader = SqlConversationReader(line.database)
    with pytest.raises(NotFound, match="nobody"):
        await reader.get(ConversationId("nobody"))
    assert await reader.events(ConversationId("nobody")) == ()


async def test_identity_cannot_have_two_open_conversations(line: Line):
    """The database itself refuses a second one."""
    await line.accept("k1")
    (row,) = await line.rows(CONVERSATIONS)
    with pytest.raises(Exception, match=r"(?i)unique"):
        await line.database.run(
            lambda connection: connection.execute(insert(CONVERSATIONS), row | {"id": "second"}) and None
        )


async def test_foreign_keys_are_on(line: Line):
    """An assignment of nobody is refused by the database."""
    conversation_id = await line.answered()
    values = {"conversation_id": conversation_id, "agent_id": "nobody", "started_at": NOW}
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        await line.database.run(lambda connection: connection.execute(insert(ASSIGNMENTS), values) and None)
