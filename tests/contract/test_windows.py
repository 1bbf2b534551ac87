"""The ledger: what a customer does opens, what we send is counted, and the gate says no before anything is called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from random import Random

import pytest

from bot.domain.channel_ports import Addressee, Capabilities, Deferred, Delivery, Refused, Sent
from bot.domain.clock import ManualClock
from bot.domain.conversation import Owner
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import Cursor, PartsRecord
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage, Sender
from bot.domain.windows import Opening, Place, Room
from bot.engine.delivery import Deliverer
from bot.engine.live import MemoryLiveFeed
from storage.merging import MergingOutbox
from storage.tables import OUTBOX, WINDOWS
from storage.windows import SqlSendingGate, SqlWindowLedger
from tests.contract.line import NOW, Line

LI = Sender("wechat_oa", "shop", "oLi")
PAGE = Cursor("wechat_oa", "shop", "page", "c1")


class CountingChannel:
    """A channel that takes everything and notes what was called."""

    name = "wechat_oa"
    capabilities = Capabilities(max_text=2048, text_unit="bytes")

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.answer: Delivery | None = None

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Take it, or answer as it was told to."""
        del to, outbox_id
        self.sent.append(message.text)
        return self.answer or Sent(f"p{len(self.sent)}")


class Counter:
    """The line with the ledger in it."""

    def __init__(self, line: Line) -> None:
        self.line = line
        self.clock = ManualClock(NOW)
        self.channel = CountingChannel()
        self.ledger = SqlWindowLedger(line.database)
        outbox = MergingOutbox(line.database)
        self.delivery = Deliverer(outbox, {"wechat_oa": self.channel}, MemoryLiveFeed(), self.clock, Random(1))  # noqa: S311
        self.delivery.gate = SqlSendingGate(line.database)

    async def hears(self, key: str, kind: MessageKind = MessageKind.TEXT, token: str = "") -> ConversationId:
        """Take a message of the customer in."""
        message = InboundMessage(LI, key, kind, self.clock.now(), "在吗", reply_token=token)
        (accepted,) = await self.line.inbox.accept([message], self.clock.now())
        return accepted.conversation_id

    async def says(self, conversation: ConversationId, words: Sequence[str], **changes: object) -> list[str]:
        """Commit a turn that says the words, deliver; give what the channel was called with."""
        before = len(self.channel.sent)
        await self.line.commit(await self.line.pending(conversation), *words, **changes)
        await self.delivery.deliver(conversation)
        return self.channel.sent[before:]

    async def room(self, conversation: ConversationId) -> Room:
        """Ask what may still be sent."""
        found = await self.ledger.of_conversation(conversation, self.clock.now())
        assert found is not None
        return found


async def test_words_of_one_turn_are_one_message_where_they_are_counted(line: Line):
    """Three replies go out as one, which is one of five, and are marked together."""
    counter = Counter(line)
    conversation = await counter.hears("k1")
    assert await counter.says(conversation, ["一", "二", "三"]) == ["一\n\n二\n\n三"]
    assert (await counter.room(conversation)).left == 4
    assert {row["state"] for row in await line.rows(OUTBOX)} == {"sent"}
    assert {row["platform_id"] for row in await line.rows(OUTBOX)} == {"p1"}


async def test_bot_keeps_the_last_message_for_a_handover(line: Line):
    """The fifth is refused to the bot, and given to the word that hands over."""
    counter = Counter(line)
    for number in range(4):
        conversation = await counter.hears(f"k{number}", MessageKind.FOLLOW if number else MessageKind.TEXT)
        assert await counter.says(conversation, [f"答 {number}"]) == [f"答 {number}"]
        counter.clock.advance(timedelta(minutes=2))
    assert (await counter.room(conversation)).left == 1
    await counter.hears("k8", MessageKind.UNKNOWN)
    await line.database.run(lambda on: on.exec_driver_sql("UPDATE windows SET used=4 WHERE kind='message'") and None)
    assert await counter.says(conversation, ["闲话"]) == []
    assert [row["refusal"] for row in await line.rows(OUTBOX)][-1] == "kept"
    await counter.hears("k9", MessageKind.UNKNOWN)
    await line.database.run(lambda on: on.exec_driver_sql("UPDATE windows SET used=4 WHERE kind='message'") and None)
    assert await counter.says(conversation, ["请稍候"], owner=Owner.WAITING_FOR_AGENT) == ["请稍候"]


async def test_closed_window_refuses_whoever_sends_without_a_call(line: Line):
    """After 48 hours neither bot nor agent reaches the platform; the row says window and what is still possible."""
    counter = Counter(line)
    conversation = await counter.hears("k1")
    await counter.says(conversation, ["您好"])
    counter.clock.advance(timedelta(hours=49))
    agent = await line.hire("mei")
    await line.ownership.take(conversation, agent, counter.clock.now())
    await line.ownership.reply(conversation, agent, "还在吗", counter.clock.now(), "c1")
    await counter.delivery.deliver(conversation)
    assert counter.channel.sent == ["您好"]
    last = (await line.rows(OUTBOX))[-1]
    assert (last["refusal"], "wait" in last["reason"]) == ("window", True)
    await counter.hears("k2")
    assert (await counter.room(conversation)).left == 5


async def test_late_and_repeated_messages_do_not_reset_the_count(line: Line):
    """A repeat opens nothing, an older message pulled late neither."""
    counter = Counter(line)
    conversation = await counter.hears("k1")
    await counter.says(conversation, ["您好"])
    await counter.hears("k1")
    older = InboundMessage(LI, "k0", MessageKind.TEXT, NOW - timedelta(hours=1), "早")
    await line.inbox.accept([older], counter.clock.now())
    assert (await counter.room(conversation)).left == 4


async def test_leaving_closes_everything(line: Line):
    """Nobody who has left can be sent to."""
    counter = Counter(line)
    conversation = await counter.hears("k1")
    await counter.hears("k2", MessageKind.UNFOLLOW)
    assert not (await counter.room(conversation)).is_open
    assert await line.count(WINDOWS) == 0


async def test_reply_code_is_given_once_and_within_its_time(line: Line):
    """A welcome code is over when it was used, and when its time is."""
    counter = Counter(line)
    sender = Sender("wecom_kf", "wk1", "wm1")
    entered = InboundMessage(sender, "e1", MessageKind.FOLLOW, NOW, reply_token="code")
    (accepted,) = await line.inbox.accept([entered], NOW)
    conversation = accepted.conversation_id
    assert await counter.ledger.token(conversation, Opening.ENTER, NOW + timedelta(seconds=20)) == "code"
    assert await counter.ledger.token(conversation, Opening.ENTER, NOW + timedelta(seconds=21)) == ""
    await line.commit(await line.pending(conversation), "欢迎")
    item = await line.outbox.next_due(conversation, NOW)
    assert item is not None
    gate = SqlSendingGate(line.database)
    assert isinstance(await gate.reserve(item, NOW), Place)
    assert await counter.ledger.token(conversation, Opening.ENTER, NOW) == "code"
    assert isinstance(await gate.reserve(item, NOW), Refused)
    await gate.count(item, 2, NOW)
    assert await counter.ledger.token(conversation, Opening.ENTER, NOW) == ""


async def test_channel_without_windows_may_always_be_sent_to(line: Line):
    """The ledger says nothing of it, and writes nothing."""
    conversation = await line.answered()
    assert await SqlWindowLedger(line.database).of_conversation(conversation, NOW) is None
    assert await line.count(WINDOWS) == 0


async def test_cursor_moves_with_its_messages_and_only_from_where_it_was_read(line: Line):
    """Who read from an older place keeps his messages and moves nothing."""
    first = InboundMessage(LI, "k1", MessageKind.TEXT, NOW, "一")
    await line.inbox.accept_pulled([first], PAGE, NOW)
    assert await line.inbox.position(PAGE) == "c1"
    slow = Cursor("wechat_oa", "shop", "page", "c0.5", "")
    (again,) = await line.inbox.accept_pulled([first], slow, NOW)
    assert again.duplicate
    assert await line.inbox.position(PAGE) == "c1"
    await line.inbox.accept_pulled([], Cursor("wechat_oa", "shop", "page", "c2", "c1"), NOW)
    assert await line.inbox.position(PAGE) == "c2"


async def test_parts_of_joined_messages_count_for_the_first_alone(line: Line):
    """What was taken of the joined text is the first row's; a row sent by itself after all begins with its own."""
    outbox = MergingOutbox(line.database)
    conversation = (await line.inbox.accept([InboundMessage(LI, "k1", MessageKind.TEXT, NOW, "hi")], NOW))[0]
    await line.commit(await line.pending(conversation.conversation_id), "一", "二", "三")
    item = await outbox.next_due(conversation.conversation_id, NOW)
    assert item is not None
    assert item.message.text == "一\n\n二\n\n三"
    await outbox.mark_deferred(item.id, NOW, "45047", PartsRecord(1, {0: "a"}))
    assert [row["parts_taken"] for row in await line.rows(OUTBOX)] == [1, 0, 0]
    assert (await outbox.next_due(conversation.conversation_id, NOW)).parts_taken == 1  # type: ignore[union-attr]
    await outbox.mark_refused(item.id, NOW, "45015", "window", PartsRecord(1))
    assert [(row["state"], row["parts_taken"]) for row in await line.rows(OUTBOX)] == [
        ("refused", 1),
        ("refused", 0),
        ("refused", 0),
    ]


@pytest.mark.parametrize("kind", [MessageKind.BUTTON, MessageKind.FOLLOW], ids=["menu", "follow"])
async def test_account_that_may_not_send_by_itself_keeps_words_long_after_a_click(line: Line, kind: MessageKind):
    """What is said when the click's minute is over reaches the adapter, which lets it wait, for as long as the rest."""
    counter = Counter(line)
    counter.channel.answer = Deferred(timedelta(days=7).total_seconds(), "it waits for the next word")
    counter.delivery.gate = SqlSendingGate(line.database, {"wechat_oa": telling(alone=True)})
    conversation = await counter.hears("k1", kind)
    counter.clock.advance(timedelta(minutes=5))
    assert await counter.says(conversation, ["查到了"]) == ["查到了"]
    (row,) = await line.rows(OUTBOX)
    assert (row["state"], row["refusal"], row["due_at"]) == ("pending", None, counter.clock.now() + timedelta(days=7))
    assert [window["used"] for window in await line.rows(WINDOWS)] == [0]
    counter.clock.advance(timedelta(days=7, seconds=1))
    await counter.delivery.deliver(conversation)
    assert [row["refusal"] for row in await line.rows(OUTBOX)] == ["window"]
    assert len(counter.channel.sent) == 1


async def test_account_that_may_send_by_itself_is_held_to_the_minute_of_a_click(line: Line):
    """Its closed window is told without a call, whatever the account next door may do."""
    counter = Counter(line)
    alone = {"wechat_oa": telling(alone=False), "line": telling(alone=True)}
    counter.delivery.gate = SqlSendingGate(line.database, alone)
    conversation = await counter.hears("k1", MessageKind.BUTTON)
    counter.clock.advance(timedelta(minutes=5))
    assert await counter.says(conversation, ["查到了"]) == []
    assert [row["refusal"] for row in await line.rows(OUTBOX)] == ["window"]


async def test_nothing_waits_for_the_next_word_of_somebody_who_has_left(line: Line):
    """Leaving closes what a click has opened also for an account that may not send by itself."""
    counter = Counter(line)
    counter.delivery.gate = SqlSendingGate(line.database, {"wechat_oa": telling(alone=True)})
    conversation = await counter.hears("k1", MessageKind.BUTTON)
    await counter.hears("k2", MessageKind.UNFOLLOW)
    assert await counter.says(conversation, ["查到了"]) == []
    assert [row["refusal"] for row in await line.rows(OUTBOX)] == ["window"]


def telling(*, alone: bool) -> Callable[[], Awaitable[bool]]:
    """Give what tells whether the response of a call is an account's only way to answer."""

    async def is_alone() -> bool:
        return alone

    return is_alone
