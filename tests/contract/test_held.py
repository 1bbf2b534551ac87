"""Words a closed window keeps back: they wait, go out first when the shopper writes, and only then."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from bot.domain.channel_ports import Refusal
from bot.domain.errors import Conflict, NotFound
from bot.domain.ids import ConversationId
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage
from storage.held import SqlHeldWords
from storage.tables import OUTBOX, WINDOWS
from tests.contract.line import Line
from tests.contract.test_window_ways import Counter


class Waiting(Counter):
    """The line over one platform, with words that wait."""

    def __init__(self, line: Line, channel: str) -> None:
        super().__init__(line, channel)
        self.words = SqlHeldWords(line.database)

    async def closed(self, **later: int) -> ConversationId:
        """Let an agent hold a conversation whose window has closed."""
        conversation = await self.held()
        self.clock.advance(timedelta(**(later or {"days": 3})))
        return conversation

    async def says(self, conversation: ConversationId, text: str, key: str) -> int:
        """Let the agent write; give the event's number."""
        await self.line.ownership.send(conversation, self.agent, OutboundMessage(text), self.clock.now(), key)
        await self.delivery.deliver(conversation)
        return int((await self.row(key))["event_seq"])

    async def row(self, key: str) -> dict[str, object]:
        """Give the outbox row of a reply."""
        return next(row for row in await self.line.rows(OUTBOX) if row["client_key"] == key)

    async def hold(self, conversation: ConversationId, said: int) -> bool:
        """Keep words back."""
        return await self.words.hold(conversation, said, self.agent, self.clock.now())

    async def sent(self) -> list[str]:
        """List what the platform was given."""
        return [text for _, text, _ in self.channel.sent]


@pytest.mark.parametrize("channel", ["wechat_oa", "wecom_kf", "whatsapp", "messenger"])
async def test_words_wait_for_the_shopper_and_go_out_first_when_he_writes(line: Line, channel: str):
    """Nothing is called while the window is closed; then they go in their order, before anything newer."""
    town = Waiting(line, channel)
    conversation = await town.closed(days=8)
    for number, text in enumerate(("一", "二")):
        said = await town.says(conversation, text, f"c{number}")
        assert await town.hold(conversation, said) is False
        assert await town.hold(conversation, said) is False
    await town.delivery.deliver(conversation)
    assert await town.sent() == []
    assert [row["state"] for row in await line.rows(OUTBOX) if row["sender"] == "agent"] == ["held", "held"]
    town.clock.advance(timedelta(hours=1))
    assert await town.hears("again") == conversation
    await town.says(conversation, "三", "c3")
    assert await town.sent() == ["一", "二", "三"]
    assert all(row["kind"] != "held" for row in await line.rows(WINDOWS))


async def test_words_held_when_the_conversation_ends_go_out_with_the_next(line: Line):
    """The promise was to the shopper: his next message opens another conversation, and the words still come."""
    town = Waiting(line, "wechat_oa")
    conversation = await town.closed()
    await town.hold(conversation, await town.says(conversation, "查到了", "c1"))
    await line.ownership.resolve(conversation, town.agent, town.clock.now())
    assert await town.hears("again") != conversation
    await town.delivery.deliver(conversation)
    assert "查到了" in await town.sent()


async def test_words_go_at_once_when_the_shopper_was_faster_than_the_click(line: Line):
    """Who asks to wait while the window is open again is sent."""
    town = Waiting(line, "whatsapp")
    conversation = await town.closed()
    said = await town.says(conversation, "在的", "c1")
    await town.hears("again")
    assert await town.hold(conversation, said) is True
    await town.delivery.deliver(conversation)
    assert await town.sent() == ["在的"]
    assert await town.hold(conversation, said) is True


async def test_click_and_message_at_the_same_moment_lose_no_words(line: Line):
    """Whichever is first, the words go out once."""
    town = Waiting(line, "wechat_oa")
    conversation = await town.closed()
    for number in range(6):
        said = await town.says(conversation, f"第{number}", f"c{number}")
        await asyncio.gather(town.hold(conversation, said), town.hears(f"again{number}"))
        await town.delivery.deliver(conversation)
        assert (await town.sent())[number:] == [f"第{number}"]
        town.clock.advance(timedelta(days=3))


async def test_words_are_taken_back_before_they_go_out(line: Line):
    """They are never sent; a second click, and one on words that went, is a sentence."""
    town = Waiting(line, "wechat_oa")
    conversation = await town.closed()
    said = await town.says(conversation, "算了", "c1")
    await town.hold(conversation, said)
    await town.words.withdraw(conversation, said, town.agent, town.clock.now())
    await town.hears("again")
    await town.delivery.deliver(conversation)
    assert await town.sent() == []
    assert (await town.row("c1"))["state"] == "dropped"
    with pytest.raises(Conflict):
        await town.words.withdraw(conversation, said, town.agent, town.clock.now())
    with pytest.raises(NotFound):
        await town.hold(conversation, 999_999)


async def test_only_who_holds_the_conversation_decides(line: Line):
    """A colleague neither lets them wait nor takes them back."""
    town = Waiting(line, "wechat_oa")
    conversation = await town.closed()
    said = await town.says(conversation, "在的", "c1")
    li = await line.hire("li")
    with pytest.raises(Conflict):
        await town.words.hold(conversation, said, li, town.clock.now())
    await town.hold(conversation, said)
    with pytest.raises(Conflict):
        await town.words.withdraw(conversation, said, li, town.clock.now())
    assert (await town.row("c1"))["state"] == "held"


async def test_only_a_window_keeps_words_waiting(line: Line):
    """What a platform refused for another reason would be refused again when the shopper writes."""
    town = Waiting(line, "wechat_oa")
    conversation = await town.closed()
    said = await town.says(conversation, "在的", "c1")
    blocked = "UPDATE outbox SET refusal='blocked' WHERE client_key='c1'"
    await line.database.run(lambda on: on.exec_driver_sql(blocked) and None)
    with pytest.raises(Conflict):
        await town.hold(conversation, said)
    assert Refusal.BLOCKED.value == (await town.row("c1"))["refusal"]


async def test_reply_that_is_meant_to_wait_is_held_under_its_key(line: Line):
    """A second click with the same key changes nothing; who meant to wait though it is open is sent."""
    town = Waiting(line, "whatsapp")
    conversation = await town.closed()
    for _ in range(2):
        now = town.clock.now()
        await line.ownership.send(conversation, town.agent, OutboundMessage("明天到"), now, "c1")
        assert await town.words.hold_reply(conversation, "c1", town.agent, now) is False
    await town.delivery.deliver(conversation)
    assert [row["state"] for row in await line.rows(OUTBOX) if row["sender"] == "agent"] == ["held"]
    await town.hears("again")
    await town.delivery.deliver(conversation)
    await line.ownership.send(conversation, town.agent, OutboundMessage("好"), town.clock.now(), "c2")
    assert await town.words.hold_reply(conversation, "c2", town.agent, town.clock.now()) is True
    await town.delivery.deliver(conversation)
    assert await town.sent() == ["明天到", "好"]


async def test_shopper_who_leaves_and_comes_back_gets_what_waits(line: Line):
    """Leaving closes the windows and wakes nothing; his first word after it does."""
    town = Waiting(line, "wechat_oa")
    conversation = await town.closed()
    await town.hold(conversation, await town.says(conversation, "到货了", "c1"))
    left = InboundMessage(town.who, "left", MessageKind.UNFOLLOW, town.clock.now())
    await line.inbox.accept([left], town.clock.now())
    await town.delivery.deliver(conversation)
    assert await town.sent() == []
    await town.hears("back")
    await town.delivery.deliver(conversation)
    assert await town.sent() == ["到货了"]
