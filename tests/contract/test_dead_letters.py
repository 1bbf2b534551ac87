"""What did not arrive is listed, sent after all, or let go; and what is unclear is never sent by itself."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from bot.channels.parts import PartsSent
from bot.domain.channel_ports import Addressee, Capabilities, Delivery, Refusal, Refused, Sent
from bot.domain.clock import ManualClock
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import OutboxItem, PartsRecord
from bot.domain.messages import OutboundMessage
from bot.engine.delivery import Deliverer
from bot.engine.live import MemoryLiveFeed
from storage.dead_letters import SqlDeadLetters
from storage.tables import OUTBOX, OUTBOX_PARTS
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


async def test_retry_goes_on_behind_the_parts_that_were_taken(line: Line):
    """Refused in the middle: the rest is sent, and what is known of the parts before it stays."""
    letters = SqlDeadLetters(line.database)
    conversation_id = await line.answered()
    item = await _due(line, conversation_id)
    await line.outbox.mark_refused(item.id, NOW, "blocked", "blocked", PartsRecord(2, {0: "a", 1: "b"}))
    assert (await letters.page()).letters[0].parts_taken == 2
    await letters.retry(item.id, LATER)
    again = await _due(line, conversation_id)
    assert again.parts_taken == 2
    await line.outbox.mark_sent(item.id, LATER, "c", PartsRecord(3, {2: "c"}))
    assert await _parts(line) == [(0, "a"), (1, "b"), (2, "c")]


async def test_retry_begins_with_the_part_that_was_not_delivered(line: Line):
    """The platform took all three and lost the second: it is sent again with the third, and answers to new names."""
    letters = SqlDeadLetters(line.database)
    conversation_id = await line.answered()
    item = await _due(line, conversation_id)
    await line.outbox.mark_sent(item.id, NOW, "c", PartsRecord(3, {0: "a", 1: "b", 2: "c"}))
    assert await line.outbox.mark_undelivered("web", "b", NOW, ("blocked", "blocked"))
    assert not await line.outbox.mark_undelivered("web", "c", NOW, ("blocked", "blocked"))
    assert not await line.outbox.mark_undelivered("telegram", "a", NOW, ("blocked", "blocked"))
    await letters.retry(item.id, LATER)
    again = await _due(line, conversation_id)
    assert (again.parts_taken, await _parts(line)) == (1, [(0, "a")])
    assert not await line.outbox.mark_undelivered("web", "c", NOW, ("blocked", "blocked"))
    await line.outbox.mark_sent(item.id, LATER, "e", PartsRecord(3, {0: "a", 1: "d", 2: "e"}))
    assert await line.outbox.mark_undelivered("web", "d", NOW, ("blocked", "blocked"))
    assert await line.outbox.mark_undelivered("web", "a", NOW, ("blocked", "blocked")) is False
    await letters.retry(item.id, LATER)
    assert (await _due(line, conversation_id)).parts_taken == 0


class Breaking:
    """A channel that takes a message in three parts and breaks off once, before the part ``breaks_at``."""

    name = "web"
    capabilities = Capabilities(max_text=100)

    def __init__(self, breaks_at: int | None) -> None:
        self.parts = PartsSent()
        self.breaks_at = breaks_at
        self.shown: list[str] = []

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Take the parts that are left."""
        del to
        for number in range(self.parts.count(outbox_id), 3):
            if number == self.breaks_at:
                return Refused("blocked by the user", Refusal.BLOCKED)
            self.shown.append(f"{message.text} {number}")
            self.parts.note(outbox_id, f"p{number}")
        self.parts.forget(outbox_id)
        return Sent("p2")


@pytest.mark.parametrize("breaks_at", [0, 1, 2])
async def test_retried_letter_repeats_no_part_in_another_process(line: Line, breaks_at: int):
    """What the shopper has seen of it is not shown again, by a process that never sent any of it."""
    conversation_id = await line.answered()
    first, second = Breaking(breaks_at), Breaking(None)
    await _deliverer(line, first).deliver(conversation_id)
    (row,) = await line.rows(OUTBOX)
    assert (row["state"], row["parts_taken"]) == ("refused", breaks_at)
    await SqlDeadLetters(line.database).retry(OutboxId(row["id"]), LATER)
    await _deliverer(line, second).deliver(conversation_id)
    assert first.shown + second.shown == ["您好 0", "您好 1", "您好 2"]
    assert await _parts(line) == [(0, "p0"), (1, "p1"), (2, "p2")]
    (row,) = await line.rows(OUTBOX)
    assert (row["state"], row["platform_id"]) == ("sent", "p2")


def _deliverer(line: Line, channel: Breaking) -> Deliverer:
    clock = ManualClock(LATER)
    return Deliverer(line.outbox, {"web": channel}, MemoryLiveFeed(), clock, Random(1))  # noqa: S311 - no secret


async def _parts(line: Line) -> list[tuple[int, str]]:
    return sorted((row["number"], row["platform_id"]) for row in await line.rows(OUTBOX_PARTS))
