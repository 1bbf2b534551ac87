"""The last counted message: two who send at once are one call, and whoever may wait gives way to a person's word."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from random import Random

import pytest

from bot.channels.parts import PartsSent
from bot.domain.channel_ports import (
    Addressee,
    Capabilities,
    Delivery,
    Failed,
    Refusal,
    Refused,
    SendPolicy,
    Sent,
    Unclear,
)
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage, Sender
from bot.domain.people import Agent
from bot.domain.windows import Room
from bot.engine.delivery import Deliverer
from bot.engine.live import MemoryLiveFeed
from storage.database import Database
from storage.merging import MergingOutbox
from storage.tables import OUTBOX
from storage.windows import SqlSendingGate, SqlWindowLedger
from tests.contract.line import NOW, Line


class Slow:
    """A channel that lets everybody come to it before it answers, as it was told to."""

    name = "wecom_kf"

    def __init__(self, *, repeats_safely: bool = True) -> None:
        self.capabilities = Capabilities(max_text=2048, text_unit="bytes", sending=SendPolicy(repeats_safely))
        self.sent: list[str] = []
        self.answer: Delivery | None = None
        self.parts = PartsSent()
        self.came = asyncio.Event()
        self.crowd = asyncio.Event()
        self.crowd.set()

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Take it after the others have come."""
        del to
        self.came.set()
        await asyncio.wait_for(self.crowd.wait(), 60)
        self.sent.append(message.text)
        return self.answer or Sent(f"p{outbox_id}")


class House:
    """A line with processes over one database; ``left`` messages of the window are left."""

    def __init__(self, line: Line, url: str) -> None:
        self.line = line
        self.clock = ManualClock(NOW)
        self.channel = Slow()
        self.url = url
        self.who = Sender("wecom_kf", "wk1", "wm1")
        self.mei: Agent = None  # type: ignore[assignment]
        self._messages = 0

    def process(self, database: Database) -> Deliverer:
        """Start another process."""
        made = Deliverer(
            MergingOutbox(database),
            {"wecom_kf": self.channel},
            MemoryLiveFeed(),
            self.clock,
            Random(1),  # noqa: S311
        )
        made.gate = SqlSendingGate(database)
        return made

    async def hears(self) -> ConversationId:
        """Take a message of the customer in, and let a turn record it without a word."""
        self._messages += 1
        message = InboundMessage(self.who, f"k{self._messages}", MessageKind.TEXT, self.clock.now(), "在吗")
        (accepted,) = await self.line.inbox.accept([message], self.clock.now())
        await self.line.commit(await self.line.pending(accepted.conversation_id))
        return accepted.conversation_id

    async def uses(self, messages: int) -> None:
        """Let messages of the window be used."""
        used = f"UPDATE windows SET used={messages} WHERE kind='message'"  # noqa: S608
        await self.line.database.run(lambda on: on.exec_driver_sql(used) and None)

    async def room(self, conversation: ConversationId) -> Room:
        """Ask what may still be sent."""
        found = await SqlWindowLedger(self.line.database).of_conversation(conversation, self.clock.now())
        assert found is not None
        return found

    async def left(self, conversation: ConversationId) -> int | None:
        """Tell how many messages are left."""
        room = await self.room(conversation)
        return room.left

    async def states(self) -> dict[str, str]:
        """Map words to what became of them."""
        rows = await self.line.rows(OUTBOX)
        return {row["message"]["text"]: row["refusal"] or row["state"] for row in rows}


@pytest.fixture
def house(line: Line, database_url: str) -> House:
    """Give the line."""
    return House(line, database_url)


async def held(house: House) -> ConversationId:
    """Let Mei hold a conversation, and have said so to the shopper."""
    house.mei = await house.line.hire("mei")
    conversation = await house.hears()
    await house.line.ownership.take(conversation, house.mei, house.clock.now())
    await house.process(house.line.database).deliver(conversation)
    house.channel.sent.clear()
    return conversation


async def test_two_processes_with_one_message_left_make_one_call(house: House):
    """The closing words of one conversation and the agent's first of the next: one goes, the other is told why."""
    old = await held(house)
    await house.line.ownership.resolve(old, house.mei, house.clock.now())
    new = await house.hears()
    await house.line.ownership.take(new, house.mei, house.clock.now())
    await house.process(house.line.database).deliver(new)
    house.channel.sent.clear()
    await house.line.ownership.reply(new, house.mei, "新", house.clock.now(), "c1")
    await house.uses(4)
    house.channel.crowd.clear()
    other = Database(house.url)
    try:
        processes = ((house.process(house.line.database), old), (house.process(other), new))
        both = [asyncio.create_task(process.deliver(conversation)) for process, conversation in processes]
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED, timeout=30)
        assert len(done) == 1, "the one who was told no did not wait for the other's call"
        house.channel.crowd.set()
        await asyncio.gather(*both)
    finally:
        other.close()
    assert len(house.channel.sent) == 1
    assert (await house.room(new)).used_up


async def test_agent_who_takes_a_conversation_with_one_message_left_is_not_struck_dumb(house: House):
    """That somebody has joined may be left unsaid; what he says goes out."""
    house.mei = await house.line.hire("mei")
    conversation = await house.hears()
    await house.uses(4)
    await house.line.ownership.take(conversation, house.mei, house.clock.now())
    await house.line.ownership.reply(conversation, house.mei, "查到了", house.clock.now(), "c1")
    await house.process(house.line.database).deliver(conversation)
    assert house.channel.sent == ["查到了"]
    assert set((await house.states()).values()) == {Refusal.KEPT.value, "sent"}


async def test_last_message_is_there_for_the_word_that_hands_over_or_closes(house: House):
    """Nobody who asks for a human, or whose conversation ends, is left without a word."""
    conversation = await house.hears()
    turn = InboundMessage(house.who, "human", MessageKind.TEXT, house.clock.now(), "人工")
    await house.line.inbox.accept([turn], house.clock.now())
    pending = await house.line.pending(conversation)
    await house.line.commit(pending, "正在为您转人工", owner=Owner.WAITING_FOR_AGENT)
    await house.uses(4)
    await house.process(house.line.database).deliver(conversation)
    assert house.channel.sent == ["正在为您转人工"]
    house.mei = await house.line.hire("mei")
    conversation = await house.hears()
    await house.uses(4)
    await house.line.ownership.resolve(conversation, house.mei, house.clock.now())
    await house.process(house.line.database).deliver(conversation)
    assert len(house.channel.sent) == 2


@pytest.mark.parametrize(
    ("answer", "left"),
    [
        (Sent("p", 1), 4),
        (Sent("p", 3), 2),
        (Unclear("lost"), 4),
        (Refused("no", Refusal.OTHER), 5),
        (Failed("no", retryable=False), 5),
    ],
    ids=["one", "three parts", "unclear", "refused", "failed"],
)
async def test_what_went_out_is_counted_and_what_did_not_is_given_back(house: House, answer: Delivery, left: int):
    """The place is taken before and put right after."""
    conversation = await held(house)
    await house.hears()
    house.channel.answer = answer
    house.channel.capabilities = Capabilities(2048, "bytes", sending=SendPolicy(repeats_safely=False))
    await house.line.ownership.reply(conversation, house.mei, "好", house.clock.now(), "c1")
    await house.process(house.line.database).deliver(conversation)
    assert await house.left(conversation) == left


async def test_message_that_makes_more_than_are_left_is_refused_before_a_call(house: House):
    """Three parts with two left: none goes, and the two are still there; with a fresh window all three go."""
    conversation = await held(house)
    await house.uses(3)
    house.channel.parts.divide = lambda message: list(message.text)
    await house.line.ownership.reply(conversation, house.mei, "一二三", house.clock.now(), "c1")
    await house.process(house.line.database).deliver(conversation)
    assert house.channel.sent == []
    assert (await house.states())["一二三"] == "quota"
    assert await house.left(conversation) == 2
    await house.hears()
    await house.line.ownership.reply(conversation, house.mei, "四五六", house.clock.now(), "c2")
    house.channel.answer = Sent("p", 3)
    await house.process(house.line.database).deliver(conversation)
    assert house.channel.sent == ["四五六"]
    assert await house.left(conversation) == 2


async def test_message_longer_than_any_window_goes_as_far_as_it_can(house: House):
    """Six parts never fit: waiting would not help, so they are begun while the window is fresh."""
    conversation = await held(house)
    await house.hears()
    house.channel.parts.divide = lambda message: list(message.text)
    await house.line.ownership.reply(conversation, house.mei, "一二三四五六", house.clock.now(), "c1")
    await house.process(house.line.database).deliver(conversation)
    assert house.channel.sent == ["一二三四五六"]


async def test_message_in_hand_when_the_shopper_writes_counts_in_his_new_window(house: House):
    """Nobody knows which came first at the platform: the ledger never promises one more than there is."""
    conversation = await held(house)
    await house.line.ownership.reply(conversation, house.mei, "好", house.clock.now(), "c1")
    house.channel.came.clear()
    house.channel.crowd.clear()
    sending = asyncio.create_task(house.process(house.line.database).deliver(conversation))
    await asyncio.wait_for(house.channel.came.wait(), 60)
    house.clock.advance(timedelta(seconds=1))
    await house.hears()
    assert await house.left(conversation) == 5
    house.channel.crowd.set()
    await sending
    assert await house.left(conversation) == 4


async def test_message_of_a_process_that_died_while_sending_stays_counted(house: House):
    """One too many is counted, never one too few."""
    conversation = await held(house)
    await house.hears()
    await house.line.ownership.reply(conversation, house.mei, "好", house.clock.now(), "c1")
    item = await MergingOutbox(house.line.database).next_due(conversation, house.clock.now())
    assert item is not None
    await SqlSendingGate(house.line.database).reserve(item, house.clock.now())
    assert await house.left(conversation) == 4
