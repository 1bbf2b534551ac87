"""What did not arrive is listed, sent after all, or let go; and what is unclear is never sent by itself."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import OutboxItem
from storage.dead_letters import SqlDeadLetters
from storage.tables import OUTBOX
from tests.contract.line import NOW, Line

LATER = NOW + timedelta(minutes=1)


async def _due(line: Line, conversation_id: ConversationId) -> OutboxItem:
    item = await line.outbox.next_due(conversation_id, LATER)
    assert item is not None
    return item


async def test_begun_attempt_is_found_interrupted_and_holds_the_rest(line: Line):
    """After a restart the row says that it was being sent; the next one waits behind it until it is settled."""
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "一", "二")
    item = await _due(line, conversation_id)
    assert await line.outbox.mark_sending(item.id, NOW)
    again = await _due(line, conversation_id)
    assert (again.id, again.interrupted) == (item.id, True)
    assert await line.turns.pending_conversations() == (conversation_id,)
    await line.outbox.mark_unclear(item.id, NOW, "the connection was lost")
    after = await _due(line, conversation_id)
    assert (after.message.text, after.interrupted) == ("二", False)


async def test_deferred_attempt_is_pending_again(line: Line):
    """A platform that asks to wait has not taken the message."""
    conversation_id = await line.answered()
    item = await _due(line, conversation_id)
    await line.outbox.mark_sending(item.id, NOW)
    await line.outbox.mark_deferred(item.id, NOW, "429")
    again = await _due(line, conversation_id)
    assert (again.tries, again.interrupted) == (1, False)


async def test_bot_does_not_begin_once_the_owner_changed(line: Line):
    """Between asking for the next message and sending it an agent may have come."""
    agent = await line.hire("mei")
    conversation_id = await line.answered()
    item = await _due(line, conversation_id)
    await line.ownership.take(conversation_id, agent, NOW)
    assert not await line.outbox.mark_sending(item.id, NOW)
    assert not await line.outbox.publish(item.id, NOW, "p1")
    notice = await _due(line, conversation_id)
    assert notice.sender == "notice"
    states = {row["id"]: row["state"] for row in await line.rows(OUTBOX)}
    assert states[item.id] == "dropped"


async def test_late_answer_of_the_platform_clears_what_was_unclear(line: Line):
    """An answer that comes after the row was flagged says what became of it."""
    conversation_id = await line.answered()
    item = await _due(line, conversation_id)
    await line.outbox.mark_sending(item.id, NOW)
    await line.outbox.mark_unclear(item.id, NOW, "the connection was lost")
    await line.outbox.mark_sent(item.id, NOW, "p1")
    (row,) = await line.rows(OUTBOX)
    assert (row["state"], row["platform_id"], row["reason"]) == ("sent", "p1", "")


async def test_page_lists_refused_and_unclear_newest_first(line: Line):
    """With who, what and why; what was sent or dropped is not there."""
    letters = SqlDeadLetters(line.database)
    conversation_id = await line.accept("k1")
    await line.commit(await line.pending(conversation_id), "一", "二", "三")
    first = await _due(line, conversation_id)
    await line.outbox.mark_refused(first.id, NOW, "blocked by the user", "blocked")
    second = await _due(line, conversation_id)
    await line.outbox.mark_unclear(second.id, LATER, "lost")
    third = await _due(line, conversation_id)
    await line.outbox.mark_sent(third.id, NOW, "p")
    page = await letters.page()
    assert page.total == 2
    assert [(each.text, each.state, each.refusal) for each in page.letters] == [
        ("二", "unclear", ""),
        ("一", "refused", "blocked"),
    ]
    newest = page.letters[0]
    assert (newest.customer_name, newest.channel, newest.tries, newest.failed_at) == ("Lin", "web", 1, LATER)
    assert (await letters.page(2)).letters == ()


async def test_retry_sends_it_after_all(line: Line):
    """It is due at once with all its tries before it; a second press finds nothing to do."""
    letters = SqlDeadLetters(line.database)
    conversation_id = await line.answered()
    item = await _due(line, conversation_id)
    await line.outbox.mark_refused(item.id, NOW, "window", "window")
    assert await letters.retry(item.id, LATER) == conversation_id
    again = await _due(line, conversation_id)
    assert (again.id, again.tries) == (item.id, 0)
    with pytest.raises(Conflict, match="no dead letter"):
        await letters.retry(item.id, LATER)
    assert (await letters.page()).total == 0


async def test_retry_never_sends_the_bots_words_for_a_later_owner(line: Line):
    """What the bot said before an agent came stays unsaid, whoever presses the button."""
    agent = await line.hire("mei")
    conversation_id = await line.answered()
    item = await _due(line, conversation_id)
    await line.outbox.mark_refused(item.id, NOW, "window", "window")
    await line.ownership.take(conversation_id, agent, NOW)
    with pytest.raises(Conflict, match="changed hands"):
        await SqlDeadLetters(line.database).retry(item.id, LATER)


async def test_drop_takes_it_off_the_list_and_keeps_the_reason(line: Line):
    """It is not sent, and the thread still tells why."""
    letters = SqlDeadLetters(line.database)
    conversation_id = await line.answered()
    item = await _due(line, conversation_id)
    await line.outbox.mark_refused(item.id, NOW, "blocked", "blocked")
    await letters.drop(item.id, LATER)
    (row,) = await line.rows(OUTBOX)
    assert (row["state"], row["reason"]) == ("dropped", "blocked")
    assert (await letters.page()).total == 0
    assert await line.turns.pending_conversations() == ()


async def test_unknown_letter_is_not_found(line: Line):
    """A number that names nothing is told so."""
    with pytest.raises(NotFound, match="no message 77"):
        await SqlDeadLetters(line.database).drop(OutboxId(77), NOW)
