"""What is to be delivered goes out in order, once, and never for an old owner."""

from __future__ import annotations

from datetime import timedelta

from bot.domain import events as ev
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OutboxDraft, PartsRecord
from bot.domain.messages import Button, OutboundMessage
from storage.stream import SqlShopperStream
from storage.tables import OUTBOX
from tests.contract.line import NOW, Line, sender


async def _texts(line: Line, conversation_id: ConversationId) -> list[str]:
    texts = []
    while (item := await line.outbox.next_due(conversation_id, NOW)) is not None:
        texts.append(item.message.text)
        await line.outbox.mark_sent(item.id, NOW, f"p{item.id}")
    return texts


async def test_next_due_gives_messages_in_order_and_whole(line: Line):
    """The first one stays first until it is marked; buttons and address come with it."""
    conversation_id = await line.accept("k1")
    draft = OutboxDraft(OutboundMessage("选", (Button("是", "/affirm"),)), "bot", ev.BotUttered("选"))
    await line.commit(await line.pending(conversation_id), outbox=(draft,))
    await line.accept("k2")
    await line.commit(await line.pending(conversation_id), "二", "三")
    item = await line.outbox.next_due(conversation_id, NOW)
    assert item is not None
    assert item == await line.outbox.next_due(conversation_id, NOW)
    assert (item.channel, item.account, item.channel_user_id) == ("web", "shop", "lin")
    assert (item.message, item.tries, item.sender) == (draft.message, 0, "bot")
    assert await _texts(line, conversation_id) == ["选", "二", "三"]


async def test_next_due_waits_for_a_deferred_first_message(line: Line):
    """A message that retries holds back the ones after it."""
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "一", "二")
    item = await line.outbox.next_due(conversation_id, NOW)
    assert item is not None
    later = NOW + timedelta(seconds=30)
    await line.outbox.mark_deferred(item.id, later, "429 " + "x" * 500)
    assert await line.outbox.next_due(conversation_id, NOW) is None
    again = await line.outbox.next_due(conversation_id, later)
    assert again is not None
    assert (again.id, again.tries) == (item.id, 1)


async def test_parts_that_were_taken_stay_on_record(line: Line):
    """Whoever tries next, in whatever process, knows how many parts the platform has."""
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "一")
    item = await line.outbox.next_due(conversation_id, NOW)
    assert item is not None
    assert item.parts_taken == 0
    await line.outbox.mark_deferred(item.id, NOW, "502", PartsRecord(2, {0: "a", 1: "b"}))
    again = await line.outbox.next_due(conversation_id, NOW)
    assert again is not None
    assert again.parts_taken == 2


async def test_next_due_drops_what_an_older_epoch_said(line: Line):
    """After a takeover the bot's unsent words go nowhere, the notice does."""
    agent = await line.hire("mei")
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "一", "二")
    await line.ownership.take(conversation_id, agent, NOW)
    await line.ownership.reply(conversation_id, agent, "我来了", NOW, "c1")
    assert await _texts(line, conversation_id) == ["notice.agent_joined|Mei|", "我来了"]
    assert [row["state"] for row in await line.rows(OUTBOX)] == ["dropped", "dropped", "sent", "sent"]


async def test_next_due_keeps_the_words_that_came_with_the_change_of_owner(line: Line):
    """The turn's own promise belongs to the epoch after it."""
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "请稍候", owner=Owner.WAITING_FOR_AGENT)
    assert await _texts(line, conversation_id) == ["请稍候"]


async def test_marks_are_harmless_twice_and_never_undo_sent(line: Line):
    """A late or repeated mark changes nothing."""
    conversation_id = await line.answered()
    item = await line.outbox.next_due(conversation_id, NOW)
    assert item is not None
    await line.outbox.mark_sent(item.id, NOW, "p1")
    await line.outbox.mark_sent(item.id, NOW, "p2")
    await line.outbox.mark_deferred(item.id, NOW, "late")
    await line.outbox.mark_refused(item.id, NOW, "late", "other")
    (row,) = await line.rows(OUTBOX)
    assert (row["state"], row["platform_id"], row["tries"], row["reason"]) == ("sent", "p1", 1, "")


async def test_refused_lets_the_next_one_go(line: Line):
    """What is never taken is recorded with its reason and holds nobody up."""
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "一", "二")
    item = await line.outbox.next_due(conversation_id, NOW)
    assert item is not None
    await line.outbox.mark_refused(item.id, NOW, "WINDOW", "window")
    assert await _texts(line, conversation_id) == ["二"]
    assert (await line.rows(OUTBOX))[0]["reason"] == "WINDOW"


async def test_stream_shows_own_words_and_what_was_sent(line: Line):
    """Private notes, dropped and refused messages stay unseen; seq resumes; other shoppers see nothing."""
    agent = await line.hire("mei")
    stream = SqlShopperStream(line.database)
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "一", "二", events=(ev.NoteWritten("私", "a", "Mei"),))
    item = await line.outbox.next_due(conversation_id, NOW)
    assert item is not None
    await line.outbox.mark_refused(item.id, NOW, "x", "other")
    await line.ownership.take(conversation_id, agent, NOW)
    await line.ownership.reply(conversation_id, agent, "我来了", NOW, "c1")
    await _texts(line, conversation_id)
    seen = await stream.latest(sender(), 10)
    assert [(each.sender, each.text) for each in seen] == [
        ("customer", "在吗"),
        ("notice", "notice.agent_joined|Mei|"),
        ("agent", "我来了"),
    ]
    assert (seen[0].client_key, seen[2].agent_name, seen[0].at) == ("k1", "Mei", NOW)
    assert await stream.since(sender(), seen[0].seq, 1) == (seen[1],)
    assert await stream.since(sender(), seen[2].seq, 10) == ()
    assert await stream.latest(sender(), 2) == seen[1:]
    assert await stream.latest(sender("other"), 10) == ()


async def test_stream_never_jumps_over_an_undelivered_message(line: Line):
    """A page that resumes by the last number sees every message in the end."""
    stream = SqlShopperStream(line.database)
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "一")
    await line.accept("k2")
    await line.commit(await line.pending(conversation_id), "二")
    seen = [each.text for each in await stream.latest(sender(), 10)]
    last = (await stream.latest(sender(), 10))[-1].seq
    assert seen == ["在吗"]
    while (item := await line.outbox.next_due(conversation_id, NOW)) is not None:
        await line.outbox.mark_sent(item.id, NOW, "")
        fresh = await stream.since(sender(), last, 10)
        seen += [each.text for each in fresh]
        last = fresh[-1].seq
    assert seen == ["在吗", "一", "在吗", "二"]


async def test_stream_covers_all_conversations_of_an_identity(line: Line):
    """History stays visible after a conversation was resolved."""
    await line.commit(await line.pending(await line.accept("k1")), owner=Owner.RESOLVED)
    await line.commit(await line.pending(await line.accept("k2")))
    seen = await SqlShopperStream(line.database).latest(sender(), 10)
    assert [each.client_key for each in seen] == ["k1", "k2"]
