"""Answers within a webhook's response: decided once, the same for every repeat, sent by nobody else meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from bot.domain.channel_ports import Deferred
from bot.domain.exchange_ports import Composed, ExchangeKey, Look
from bot.domain.ids import ConversationId
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage, Sender
from storage.exchanges import SqlExchanges
from storage.tables import EXCHANGES, OUTBOX
from storage.windows import SqlSendingGate
from tests.contract.line import NOW, Line

LI = Sender("wechat_oa", "shop", "oLi")
KEY = ExchangeKey("wechat_oa", "shop", "msg:1")
SOON = NOW + timedelta(seconds=6)


def all_of(messages: Sequence[OutboundMessage]) -> Composed | None:
    """Put everything into one."""
    return Composed(" ".join(message.text for message in messages), len(messages))


def joined(answer: str, rest: OutboundMessage) -> OutboundMessage:
    """Put the beginning back."""
    return OutboundMessage(f"{answer}{rest.text}")


async def begun(line: Line, *words: str) -> tuple[SqlExchanges, ConversationId]:
    """Take a message in, open its exchange, and answer with the words when there are any."""
    exchanges = SqlExchanges(line.database)
    (accepted,) = await line.inbox.accept([InboundMessage(LI, KEY.dedupe_key, MessageKind.TEXT, NOW, "在吗")], NOW)
    assert await exchanges.begin(KEY, accepted.conversation_id, NOW, SOON) == 1
    if words:
        await line.commit(await line.pending(accepted.conversation_id), *words)
    return exchanges, accepted.conversation_id


async def states(line: Line) -> list[str]:
    """List the outbox's states."""
    return [row["state"] for row in sorted(await line.rows(OUTBOX), key=lambda row: row["id"])]


async def test_exchange_waits_for_its_turn_and_then_answers_once_for_all_calls(line: Line):
    """Every later call of the same message gets the same words; the rows are sent when they were written."""
    exchanges, conversation = await begun(line)
    assert await exchanges.look(KEY, 1, all_of) == Look(waiting=True)
    await line.commit(await line.pending(conversation), "一", "二")
    assert await exchanges.look(KEY, 1, all_of) == Look("一 二")
    assert await states(line) == ["sending", "sending"]
    assert await exchanges.begin(KEY, conversation, NOW, SOON) == 2
    assert await exchanges.look(KEY, 1, all_of) == Look(superseded=True)
    assert await exchanges.look(KEY, 2, all_of) == Look("一 二")
    await exchanges.written(KEY, NOW)
    await exchanges.written(KEY, NOW)
    assert await states(line) == ["sent", "sent"]


async def test_unanswered_are_those_no_turn_has_taken(line: Line):
    """Of those asked about, and of nobody else."""
    exchanges, conversation = await begun(line)
    unknown = ExchangeKey(KEY.channel, KEY.account, "msg:unknown")
    assert await exchanges.unanswered([KEY, unknown]) == {KEY}
    assert await exchanges.unanswered([unknown]) == frozenset()
    assert await exchanges.unanswered([]) == frozenset()
    await line.commit(await line.pending(conversation))
    assert await exchanges.unanswered({KEY}) == frozenset()


async def test_gate_holds_back_what_an_open_exchange_may_answer(line: Line):
    """Until it ends, nothing of the conversation is sent by other ways; after it, it is."""
    exchanges, conversation = await begun(line, "一")
    item = await line.outbox.next_due(conversation, NOW)
    assert item is not None
    gate = SqlSendingGate(line.database)
    assert isinstance(await gate.ask(item, NOW), Deferred)
    await exchanges.end(KEY, NOW)
    assert await gate.ask(item, NOW) is None


async def test_row_that_is_being_sent_is_not_answered_and_not_overtaken(line: Line):
    """Whoever marks it first has it."""
    exchanges, conversation = await begun(line, "一", "二")
    item = await line.outbox.next_due(conversation, NOW)
    assert item is not None
    assert await line.outbox.mark_sending(item.id, NOW)
    assert await exchanges.look(KEY, 1, all_of) == Look()
    assert not await line.outbox.mark_sending(item.id, NOW)
    assert await states(line) == ["sending", "pending"]


async def test_beginning_of_a_long_message_leaves_the_rest_waiting(line: Line):
    """The rest is the row's message from now on, and goes with the next answer."""
    exchanges, conversation = await begun(line, "一二三四")
    rest = Composed("一二", 0, OutboundMessage("三四"))
    assert await exchanges.look(KEY, 1, lambda _: rest) == Look("一二")
    await exchanges.written(KEY, NOW)
    item = await line.outbox.next_due(conversation, NOW)
    assert item is not None
    assert (item.message.text, await states(line)) == ("三四", ["pending"])


async def test_answer_that_nobody_heard_waits_as_before(line: Line):
    """The rows are pending again, and the next call decides anew; nothing is left of the decision."""
    exchanges, conversation = await begun(line, "一", "二")
    assert await exchanges.look(KEY, 1, all_of) == Look("一 二")
    assert await exchanges.take_back(KEY, 1, joined)
    assert await states(line) == ["pending", "pending"]
    assert not await exchanges.take_back(KEY, 1, joined)
    assert await exchanges.begin(KEY, conversation, NOW, SOON) == 2
    assert await exchanges.look(KEY, 2, all_of) == Look("一 二")


async def test_answer_of_a_later_call_is_not_taken_back(line: Line):
    """Who was overtaken has nothing to say about it."""
    exchanges, conversation = await begun(line, "一")
    assert await exchanges.look(KEY, 1, all_of) == Look("一")
    assert await exchanges.begin(KEY, conversation, NOW, SOON) == 2
    assert not await exchanges.take_back(KEY, 1, joined)
    assert await exchanges.look(KEY, 2, all_of) == Look("一")
    await exchanges.written(KEY, NOW)
    assert await states(line) == ["sent"]


async def test_beginning_that_nobody_heard_is_put_before_its_rest_again(line: Line):
    """The row holds the whole message once more."""
    exchanges, conversation = await begun(line, "一二三四", "五")
    rest = Composed("一二", 0, OutboundMessage("三四"))
    assert await exchanges.look(KEY, 1, lambda _: rest) == Look("一二")
    assert await exchanges.take_back(KEY, 1, joined)
    await exchanges.end(KEY, NOW)
    item = await line.outbox.next_due(conversation, NOW)
    assert item is not None
    assert (item.message.text, await states(line)) == ("一二三四", ["pending", "pending"])


async def test_words_left_of_a_conversation_that_is_over_go_with_the_next_word(line: Line):
    """What could not be sent before the agent closed it is the beginning of the next answer."""
    exchanges, conversation = await begun(line)
    await line.commit(await line.pending(conversation))
    agent = await line.hire("mei")
    await line.ownership.take(conversation, agent, NOW)
    await line.ownership.reply(conversation, agent, "已退款", NOW, "k1")
    await line.ownership.resolve(conversation, agent, NOW)
    await exchanges.end(KEY, NOW)
    later = ExchangeKey("wechat_oa", "shop", "msg:2")
    said = InboundMessage(LI, later.dedupe_key, MessageKind.TEXT, NOW, "谢谢")
    (accepted,) = await line.inbox.accept([said], NOW)
    assert accepted.conversation_id != conversation
    assert await exchanges.begin(later, accepted.conversation_id, NOW, SOON) == 1
    await line.commit(await line.pending(accepted.conversation_id), "不客气")
    answer = (await exchanges.look(later, 1, all_of)).answer
    assert answer.index("已退款") < answer.index("不客气")
    assert len(await line.rows(EXCHANGES)) == 2
    assert await exchanges.begin(later, accepted.conversation_id, NOW + timedelta(hours=2), SOON) == 1
    assert [row["conversation_id"] for row in await line.rows(EXCHANGES)] == [accepted.conversation_id]


async def test_words_of_an_older_owner_are_no_answer(line: Line):
    """After a takeover the bot's unsent words are not written into the response."""
    exchanges, conversation = await begun(line, "一")
    agent = await line.hire("mei")
    await line.ownership.take(conversation, agent, NOW)
    look = await exchanges.look(KEY, 1, all_of)
    assert "一" not in look.answer
    assert "notice.agent_joined" in look.answer


async def test_silent_turn_ends_the_waiting(line: Line):
    """Nothing said is nothing to wait for."""
    exchanges, conversation = await begun(line)
    await line.commit(await line.pending(conversation))
    assert await exchanges.look(KEY, 1, all_of) == Look()


async def test_hurried_call_takes_what_is_there(line: Line):
    """The last call does not go empty when earlier words wait."""
    exchanges, conversation = await begun(line, "一")
    later = ExchangeKey("wechat_oa", "shop", "msg:2")
    await line.inbox.accept([InboundMessage(LI, later.dedupe_key, MessageKind.TEXT, NOW, "喂")], NOW)
    await exchanges.end(KEY, NOW)
    assert await exchanges.begin(later, conversation, NOW, SOON) == 1
    assert await exchanges.look(later, 1, all_of) == Look(waiting=True)
    assert await exchanges.look(later, 1, all_of, hurry=True) == Look("一")
