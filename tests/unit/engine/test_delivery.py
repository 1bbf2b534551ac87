"""Delivery: order, back-off, giving up, telling the shopper's page."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random

import pytest

from bot.domain.channel_ports import Deferred, Delivery, Failed, Refusal, Refused, SendPolicy, Sent, Unclear
from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import OutboxItem, PartsRecord, TurnOutbox
from bot.domain.messages import OutboundMessage
from bot.engine.delivery import BackOff, Deliverer
from tests.unit.engine.fakes import CONVERSATION, START, FakeChannel, FakeFeed, FakeOutboxStore


def deliverer(outbox: FakeOutboxStore, channel: FakeChannel) -> tuple[Deliverer, FakeFeed, ManualClock]:
    """Make a deliverer over one channel."""
    feed, clock = FakeFeed(), ManualClock(START)
    return Deliverer(outbox, {"web": channel}, feed, clock, Random(7)), feed, clock  # noqa: S311 - no secret


async def test_deliver_sends_in_order_and_rings(caplog: pytest.LogCaptureFixture):
    """First in, first out; each sent message rings on the shopper's page and the desk."""
    outbox, channel = FakeOutboxStore("one", "two"), FakeChannel()
    line, feed, _ = deliverer(outbox, channel)
    assert await line.deliver(CONVERSATION) is None
    assert channel.sent == ["one", "two"]
    assert outbox.done == [("sent", 0, "p0"), ("sent", 1, "p1")]
    assert [bell.kind for bell in feed.published] == ["message", "changed", "changed"] * 2
    assert caplog.records == []


async def test_failed_message_holds_back_the_next_until_its_time():
    """Order is kept over retries; the wait doubles and is spread."""
    outbox, channel = FakeOutboxStore("one", "two"), FakeChannel(*[Failed("502", retryable=True)] * 2)
    line, _, clock = deliverer(outbox, channel)
    first = await line.deliver(CONVERSATION)
    assert first is not None
    assert 0.5 <= first <= 1
    assert await line.deliver(CONVERSATION) == pytest.approx(first)
    assert channel.sent == []
    clock.advance(timedelta(seconds=first))
    second = await line.deliver(CONVERSATION)
    assert second is not None
    assert 1 <= second <= 2
    clock.advance(timedelta(seconds=second))
    assert await line.deliver(CONVERSATION) is None
    assert channel.sent == ["one", "two"]


class Counted:
    """A count of parts, as an adapter has one."""

    def __init__(self, taken: int = 0, ids: Mapping[int, str] | None = None) -> None:
        self.taken = taken
        self.known = ids or {}
        self.resumed: list[int] = []

    def needed(self, message: OutboundMessage) -> int:
        """Count nothing."""
        del message
        return 1

    def ids(self, outbox_id: OutboxId) -> Mapping[int, str]:
        """Give the ids."""
        del outbox_id
        return self.known

    def count(self, outbox_id: OutboxId) -> int:
        """Tell the count."""
        del outbox_id
        return self.taken

    def resume(self, outbox_id: OutboxId, taken: int) -> None:
        """Note where a try goes on."""
        del outbox_id
        self.resumed.append(taken)


class PartsChannel(FakeChannel):
    """A channel that sends in parts."""

    parts = Counted()


async def test_parts_taken_before_a_restart_are_not_sent_again():
    """What the platform has of a message is kept with the deferral and told to the adapter of the next process."""
    outbox, before, after = FakeOutboxStore("one"), PartsChannel(Failed("502", retryable=True)), PartsChannel()
    before.parts, after.parts = Counted(2), Counted()
    line, _, clock = deliverer(outbox, before)
    wait_s = await line.deliver(CONVERSATION)
    assert wait_s is not None
    assert outbox.rows[0].parts_taken == 2
    clock.advance(timedelta(seconds=wait_s))
    again, _, _ = deliverer(outbox, after)
    outbox.due.clear()
    assert await again.deliver(CONVERSATION) is None
    assert after.parts.resumed == [2]
    assert after.sent == ["one"]


@pytest.mark.parametrize("answer", [Refused("blocked"), Unclear("lost"), Failed("bad", retryable=False)])
async def test_message_given_up_in_the_middle_keeps_what_was_taken(answer: Delivery):
    """Whoever sends it after all, in another process, goes on behind the parts the platform has."""
    outbox, channel = FakeOutboxStore("one"), PartsChannel(answer)
    channel.parts = Counted(1, {0: "p1", 1: "of an earlier whole sending"})
    line, _, _ = deliverer(outbox, channel)
    await line.deliver(CONVERSATION)
    assert outbox.parts == [PartsRecord(1, {0: "p1"})]


@pytest.mark.parametrize(("ids", "kept"), [({0: "p1"}, {}), ({0: "p1", 1: "p2"}, {0: "p1", 1: "p2"}), ({2: "p3"},) * 2])
async def test_ids_of_the_parts_are_kept_where_there_are_several(ids: dict[int, str], kept: dict[int, str]):
    """A message of one part has its own id only; the last part after a restart is one of several."""
    outbox, channel = FakeOutboxStore("one"), PartsChannel()
    channel.parts = Counted(0, ids)
    line, _, _ = deliverer(outbox, channel)
    await line.deliver(CONVERSATION)
    assert [parts.ids for parts in outbox.parts] == [kept]


async def test_deferral_waits_as_the_platform_says():
    """The platform's own time is honoured and is no failure."""
    outbox, channel = FakeOutboxStore("one"), FakeChannel(Deferred(42, "slow down"))
    line, _, clock = deliverer(outbox, channel)
    assert await line.deliver(CONVERSATION) == 42
    clock.advance(timedelta(seconds=42))
    await line.deliver(CONVERSATION)
    assert channel.sent == ["one"]


@pytest.mark.parametrize("answer", [Refused("window"), Failed("blocked", retryable=False)])
async def test_refused_message_is_recorded_and_the_next_goes(answer: Refused | Failed):
    """What will never be taken does not stop the line."""
    outbox, channel = FakeOutboxStore("one", "two"), FakeChannel(answer)
    line, _, _ = deliverer(outbox, channel)
    await line.deliver(CONVERSATION)
    assert outbox.done[0] == ("refused", 0, answer.reason)
    assert channel.sent == ["two"]


async def test_retries_end():
    """After the allowed tries the message is a dead letter that says so."""
    outbox, channel = FakeOutboxStore("one"), FakeChannel(*[Failed("502", retryable=True)] * 3)
    line, _, clock = deliverer(outbox, channel)
    line.back_off = BackOff(max_tries=3)
    for _ in range(3):
        await line.deliver(CONVERSATION)
        clock.advance(timedelta(hours=1))
    assert outbox.done == [("refused", 0, "given up after 3 tries: 502")]


async def test_channel_that_raises_counts_as_failed_and_quotes_nothing(caplog: pytest.LogCaptureFixture):
    """A fault in an adapter is retried; its message is not logged."""
    outbox, channel = FakeOutboxStore("one"), FakeChannel(RuntimeError("words of the shopper"))
    line, _, clock = deliverer(outbox, channel)
    with caplog.at_level(logging.DEBUG):
        assert await line.deliver(CONVERSATION) is not None
    assert "words of the shopper" not in caplog.text
    clock.advance(timedelta(seconds=5))
    await line.deliver(CONVERSATION)
    assert channel.sent == ["one"]


async def test_unknown_channel_waits_for_its_configuration():
    """A channel taken out of the configuration keeps its messages for a while."""
    outbox = FakeOutboxStore("one", channel="gone")
    line, _, _ = deliverer(outbox, FakeChannel())
    assert await line.deliver(CONVERSATION) is not None
    assert outbox.rows[0].tries == 1


def test_wait_stays_within_its_bounds():
    """However often it failed, the wait is neither nothing nor for ever."""
    chance = Random(1)  # noqa: S311 - no secret
    waits = [BackOff().wait_s(tries, chance) for tries in range(200)]
    assert all(0.5 <= wait <= 300 for wait in waits)
    assert waits[10] > waits[0]


async def test_sent_answer_carries_the_platforms_id():
    """The id is kept for receipts."""
    outbox, channel = FakeOutboxStore("one"), FakeChannel(Sent("wamid.1"))
    line, _, _ = deliverer(outbox, channel)
    await line.deliver(CONVERSATION)
    assert outbox.done == [("sent", 0, "wamid.1")]


async def test_unclear_outcome_is_flagged_and_never_repeated():
    """What may have arrived is not sent again, and the next message goes."""
    outbox, channel = FakeOutboxStore("one", "two"), FakeChannel(Unclear("the connection was lost"))
    line, _, _ = deliverer(outbox, channel)
    assert await line.deliver(CONVERSATION) is None
    assert outbox.done == [("unclear", 0, "the connection was lost"), ("sent", 1, "p1")]
    assert channel.sent == ["two"]
    assert outbox.begun == [0, 1]


async def test_unclear_outcome_is_repeated_where_a_repeat_is_harmless():
    """With an idempotency key another try is the safe thing, and nothing needs to be noted before it."""
    outbox, channel = FakeOutboxStore("one"), FakeChannel(Unclear("lost"))
    channel.capabilities = replace(channel.capabilities, sending=SendPolicy(repeats_safely=True))
    line, _, clock = deliverer(outbox, channel)
    wait_s = await line.deliver(CONVERSATION)
    assert wait_s is not None
    clock.advance(timedelta(seconds=wait_s))
    await line.deliver(CONVERSATION)
    assert channel.sent == ["one"]
    assert outbox.begun == []


async def test_attempt_interrupted_by_a_restart_is_flagged():
    """A row found in the middle of being sent is not sent again."""
    outbox, channel = FakeOutboxStore("one", "two"), FakeChannel()
    outbox.rows[0] = replace(outbox.rows[0], interrupted=True)
    line, _, _ = deliverer(outbox, channel)
    await line.deliver(CONVERSATION)
    assert [state for state, _, _ in outbox.done] == ["unclear", "sent"]
    assert channel.sent == ["two"]


async def test_conversation_over_its_pace_waits_without_counting_a_try():
    """The limit holds the message back; the platform is not even asked."""
    outbox, channel = FakeOutboxStore("one", "two"), FakeChannel()
    channel.capabilities = replace(channel.capabilities, sending=SendPolicy(chat_per_second=1))
    line, _, clock = deliverer(outbox, channel)
    assert await line.deliver(CONVERSATION) == 1
    assert (channel.sent, outbox.rows[0].tries) == (["one"], 0)
    clock.advance(timedelta(seconds=1))
    assert await line.deliver(CONVERSATION) is None
    assert channel.sent == ["one", "two"]


async def test_refusal_keeps_its_kind():
    """Window, block or giving up: the record tells which."""
    outbox = FakeOutboxStore("one", "two")
    channel = FakeChannel(Refused("45015", Refusal.WINDOW), Failed("400", retryable=False))
    line, _, _ = deliverer(outbox, channel)
    await line.deliver(CONVERSATION)
    assert outbox.kinds == ["window", "failed"]


class UnreadOutbox(FakeOutboxStore):
    """An outbox nobody may read: what is to be sent is known already."""

    async def next_due(self, conversation_id: ConversationId, at: datetime) -> OutboxItem | None:
        """Fail."""
        raise AssertionError(f"the outbox of {conversation_id} was read at {at}")


async def test_what_a_turn_put_in_is_sent_in_order_without_reading_it_again():
    """Each message is still marked by itself."""
    outbox, channel = UnreadOutbox("one", "two"), FakeChannel()
    line, feed, _ = deliverer(outbox, channel)
    assert await line.deliver(CONVERSATION, TurnOutbox(due=tuple(outbox.rows))) is None
    assert channel.sent == ["one", "two"]
    assert outbox.begun == [0, 1]
    assert outbox.done == [("sent", 0, "p0"), ("sent", 1, "p1")]
    assert [bell.kind for bell in feed.published] == ["message", "changed", "changed"] * 2


async def test_what_a_turn_put_in_waits_behind_a_message_that_failed():
    """The second is not sent before the first; the next look reads the record."""
    outbox, channel = FakeOutboxStore("one", "two"), FakeChannel(Failed("502", retryable=True))
    line, _, clock = deliverer(outbox, channel)
    wait_s = await line.deliver(CONVERSATION, TurnOutbox(due=tuple(outbox.rows)))
    assert wait_s is not None
    assert channel.sent == []
    clock.advance(timedelta(seconds=wait_s))
    assert await line.deliver(CONVERSATION) is None
    assert channel.sent == ["one", "two"]


async def test_what_was_committed_as_sent_only_rings_the_page():
    """Nothing is marked and nothing is looked for, whatever the channel answers."""
    outbox, channel = UnreadOutbox("one"), FakeChannel(Failed("502", retryable=True))
    line, feed, _ = deliverer(outbox, channel)
    assert await line.deliver(CONVERSATION, TurnOutbox(shown=tuple(outbox.rows), due=())) is None
    assert (outbox.begun, outbox.done) == ([], [])
    assert [(bell.topic, bell.kind) for bell in feed.published] == [("shopper:web:shop:visitor-1", "message")]


async def test_outbox_is_read_when_something_older_may_wait():
    """A turn that does not know what goes first leaves it to the record."""
    outbox, channel = FakeOutboxStore("one"), FakeChannel()
    line, _, _ = deliverer(outbox, channel)
    await line.deliver(CONVERSATION, TurnOutbox())
    assert channel.sent == ["one"]
