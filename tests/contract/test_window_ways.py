"""A closed window lets a person's words and approved templates through where the platform does, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from bot.domain.channel_ports import Addressee, Capabilities, Delivery, Sent
from bot.domain.clock import ManualClock
from bot.domain.events import NoticeSent
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import OutboxDraft
from bot.domain.messages import InboundMessage, MessageKind, OutboundMessage, Sender, TemplateUse
from bot.domain.windows import Offer, Room
from bot.engine.delivery import Deliverer
from bot.engine.live import MemoryLiveFeed
from storage import outbox
from storage.outbox import SqlOutboxStore
from storage.tables import CONVERSATIONS, OUTBOX
from storage.windows import SqlSendingGate, SqlWindowLedger
from tests.contract.line import NOW, Line

USE = TemplateUse("order_update", "zh_CN", ("王芳", "W1001"))


class Platform:
    """A channel that takes everything and notes who spoke."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.capabilities = Capabilities(max_text=2000)
        self.sent: list[tuple[str, str, TemplateUse | None]] = []

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Take it."""
        self.sent.append((to.sender, message.text, message.template))
        return Sent(f"p{outbox_id}")


class Counter:
    """The line with the ledger in it, over one platform."""

    def __init__(self, line: Line, channel: str) -> None:
        self.line = line
        self.clock = ManualClock(NOW)
        self.channel = Platform(channel)
        self.who = Sender(channel, "main", "u1")
        self.ledger = SqlWindowLedger(line.database)
        self.delivery = Deliverer(
            SqlOutboxStore(line.database),
            {channel: self.channel},
            MemoryLiveFeed(),
            self.clock,
            Random(1),  # noqa: S311
        )
        self.delivery.gate = SqlSendingGate(line.database)

    async def hears(self, key: str) -> ConversationId:
        """Take a message of the customer in."""
        message = InboundMessage(self.who, key, MessageKind.TEXT, self.clock.now(), "hello")
        (accepted,) = await self.line.inbox.accept([message], self.clock.now())
        return accepted.conversation_id

    async def held(self) -> ConversationId:
        """Let an agent hold a conversation that the customer began."""
        conversation = await self.hears("k1")
        self.agent = await self.line.hire("mei")
        await self.line.ownership.take(conversation, self.agent, self.clock.now())
        await self.delivery.deliver(conversation)
        self.channel.sent.clear()
        return conversation

    async def replies(self, conversation: ConversationId, key: str, template: TemplateUse | None = None) -> None:
        """Let the agent write."""
        message = OutboundMessage("words", template=template)
        await self.line.ownership.send(conversation, self.agent, message, self.clock.now(), key)
        await self.delivery.deliver(conversation)

    async def notices(self, conversation: ConversationId) -> None:
        """Tell the shopper something unasked."""
        draft = OutboxDraft(OutboundMessage("notice"), "notice", NoticeSent("notice", "notice.resolved"))
        at = self.clock.now()
        await self.line.database.run(lambda on: outbox.add(on, conversation, [draft], at) and None)
        await self.delivery.deliver(conversation)

    async def room(self, conversation: ConversationId) -> Room:
        """Ask what may still be sent."""
        found = await self.ledger.of_conversation(conversation, self.clock.now())
        assert found is not None
        return found

    async def refusals(self) -> list[str]:
        """List the kinds of refusal, oldest first."""
        rows = sorted(await self.line.rows(OUTBOX), key=lambda row: row["id"])
        return [row["refusal"] for row in rows if row["state"] == "refused"]


@pytest.mark.parametrize("channel", ["messenger", "instagram"])
async def test_person_may_write_for_seven_days_where_the_bot_may_for_one(line: Line, channel: str):
    """The agent's words pass a closed window and carry who speaks; a notice does not; after a week nobody's do."""
    counter = Counter(line, channel)
    conversation = await counter.held()
    counter.clock.advance(timedelta(days=6, hours=23))
    room = await counter.room(conversation)
    assert (room.is_open, room.humans_until, Offer.HUMAN_TAG in room.offers) == (False, NOW + timedelta(days=7), True)
    await counter.replies(conversation, "c1")
    await counter.notices(conversation)
    assert counter.channel.sent == [("agent", "words", None)]
    assert await counter.refusals() == ["window"]
    counter.clock.advance(timedelta(hours=2))
    await counter.replies(conversation, "c2")
    assert len(counter.channel.sent) == 1
    assert await counter.refusals() == ["window", "window"]
    room = await counter.room(conversation)
    assert (room.humans_until, Offer.HUMAN_TAG in room.offers) == (None, False)


@pytest.mark.parametrize("channel", ["wechat_oa", "wecom_kf", "whatsapp"])
async def test_person_has_no_longer_window_elsewhere(line: Line, channel: str):
    """Only the platforms that say so let a person write later."""
    counter = Counter(line, channel)
    conversation = await counter.held()
    counter.clock.advance(timedelta(days=3))
    assert (await counter.room(conversation)).humans_until is None
    await counter.replies(conversation, "c1")
    assert counter.channel.sent == []
    assert await counter.refusals() == ["window"]


async def test_template_passes_a_closed_window_and_is_counted_until_the_customer_writes(line: Line):
    """Two templates are two; the customer's next message begins a new count and opens the window."""
    counter = Counter(line, "whatsapp")
    conversation = await counter.held()
    counter.clock.advance(timedelta(days=2))
    for key in ("c1", "c2"):
        await counter.replies(conversation, key, USE)
    assert [use for _, _, use in counter.channel.sent] == [USE, USE]
    room = await counter.room(conversation)
    assert (room.is_open, room.templates, room.templates_sent) == (False, True, 2)
    counter.clock.advance(timedelta(minutes=1))
    await counter.hears("k2")
    room = await counter.room(conversation)
    assert (room.is_open, room.templates_sent) == (True, 0)
    await counter.replies(conversation, "c3", USE)
    assert (await counter.room(conversation)).templates_sent == 1


@pytest.mark.parametrize("channel", ["messenger", "wechat_oa"])
async def test_template_opens_nothing_where_the_platform_has_none(line: Line, channel: str):
    """A template on another platform is a message like any other."""
    counter = Counter(line, channel)
    conversation = await counter.held()
    counter.clock.advance(timedelta(days=8))
    await counter.replies(conversation, "c1", USE)
    assert counter.channel.sent == []


async def test_recorded_template_is_the_words_the_shopper_reads(line: Line):
    """The event holds the filled text and the template's name."""
    counter = Counter(line, "whatsapp")
    conversation = await counter.held()
    await counter.replies(conversation, "c1", USE)
    words = (await line.rows(CONVERSATIONS))[0]["last_text"]
    assert words == "words"
    assert counter.channel.sent[-1] == ("agent", "words", USE)


async def test_other_channels_of_the_customer_are_told_with_their_rooms(line: Line):
    """Those that may be written to come first; another customer's are never told."""
    counter = Counter(line, "whatsapp")
    conversation = await counter.held()
    await line.accept("k8", who=Sender("web", "shop", "same"))
    await line.accept("k9", who=Sender("web", "shop", "stranger"))
    old = InboundMessage(Sender("messenger", "main", "m1"), "k7", MessageKind.TEXT, NOW - timedelta(days=9), "old")
    await line.inbox.accept([old], NOW)
    customer = next(row["customer_id"] for row in await line.rows(CONVERSATIONS) if row["id"] == conversation)
    move = f"UPDATE identities SET customer_id='{customer}' WHERE channel_user_id IN ('same', 'm1')"  # noqa: S608
    await line.database.run(lambda on: on.exec_driver_sql(move) and None)
    counter.clock.advance(timedelta(days=2))
    others = await counter.ledger.elsewhere(conversation, counter.clock.now())
    assert [(other.channel, other.is_open) for other in others] == [("web", True), ("messenger", False)]
    assert all(other.conversation_id for other in others)
