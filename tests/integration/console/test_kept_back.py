"""Words that a closed window keeps back, at the desk: nothing typed is lost, and each way on is one click."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from random import Random

import pytest

from bot.domain.channel_ports import Addressee, Capabilities, Delivery, Sent
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.messages import OutboundMessage
from bot.engine.delivery import Deliverer
from storage.merging import MergingOutbox
from storage.tables import OUTBOX
from storage.windows import SqlSendingGate
from tests.contract.line import Line
from tests.integration.console.shop import PASSWORDS, Browser, Shop


@pytest.fixture
def database_url(sqlite_url: str) -> str:
    """Give SQLite alone: what waits is tried on both databases in ``tests/contract/test_held.py``."""
    return sqlite_url


class Taking:
    """A platform that takes everything and notes it."""

    name = "any"
    capabilities = Capabilities(max_text=2000)

    def __init__(self) -> None:
        self.sent: list[str] = []

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Take it."""
        del to
        self.sent.append(message.text)
        return Sent(f"p{outbox_id}")


class Town:
    """The shop with its line behind it."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.platform = Taking()
        channels: Mapping[str, Taking] = dict.fromkeys(("wechat_oa", "whatsapp", "messenger", "web"), self.platform)
        outbox = MergingOutbox(shop.database)
        self._delivery = Deliverer(outbox, channels, shop.live, shop.clock, Random(1))  # noqa: S311
        self._delivery.gate = SqlSendingGate(shop.database)

    async def closed(self, li: Browser, channel: str) -> ConversationId:
        """Let Li hold a conversation whose window has closed."""
        conversation = await self.shop.say("fang", "在吗", channel, "王芳")
        await li.post(f"/conversations/{conversation}/take")
        self.shop.clock.advance(timedelta(days=3))
        await li.sign_in("li", PASSWORDS["agent"])
        await self.delivers(conversation)
        self.platform.sent.clear()
        return conversation

    async def delivers(self, conversation: ConversationId) -> list[str]:
        """Deliver; give all that was ever sent."""
        await self._delivery.deliver(conversation)
        return self.platform.sent

    async def row(self) -> Mapping[str, object]:
        """Give the one row of the agent's."""
        (row,) = [row for row in await Line(self.shop.database).rows(OUTBOX) if row["sender"] == "agent"]
        return row


@pytest.fixture
def town(shop: Shop) -> Town:
    """Give the shop with its line."""
    return Town(shop)


async def refused(town: Town, li: Browser, conversation: ConversationId) -> int:
    """Let the window close under Li's hands; give the number of what she wrote."""
    form = {"text": "明天到货", "key": "k1", "later": "no"}
    assert (await li.post(f"/conversations/{conversation}/reply", form)).status_code == 303
    assert await town.delivers(conversation) == []
    return int(str((await town.row())["event_seq"]))


@pytest.mark.parametrize("channel", ["wechat_oa", "whatsapp"])
async def test_refused_words_stay_with_a_click_to_wait_and_go_out_when_the_shopper_writes(
    town: Town, li: Browser, channel: str
):
    """The page offers it, says that they wait, and they are sent before anything newer."""
    conversation = await town.closed(li, channel)
    said = await refused(town, li, conversation)
    page = (await li.get(f"/conversations/{conversation}")).text
    assert "明天到货" in page
    assert f"/said/{said}/wait" in page
    assert "still possible" not in page, "the ledger's English is not for pages"
    assert (await li.post(f"/conversations/{conversation}/said/{said}/wait")).status_code == 303
    page = (await li.get(f"/conversations/{conversation}")).text
    assert "Waits; goes out as soon as the shopper writes" in page
    assert f"/said/{said}/withdraw" in page
    assert await town.delivers(conversation) == []
    assert await town.shop.say("fang", "人呢", channel, "王芳") == conversation
    assert await town.delivers(conversation) == ["明天到货"]


async def test_words_written_into_a_closed_window_wait_at_once(town: Town, li: Browser):
    """The button says so before, nothing is refused, and nothing is tried."""
    conversation = await town.closed(li, "wechat_oa")
    page = (await li.get(f"/conversations/{conversation}")).text
    assert 'name="later" value="yes"' in page
    assert ">Send when they write</button>" in page
    form = {"text": "明天到货", "key": "k1", "later": "yes"}
    for _ in range(2):
        assert (await li.post(f"/conversations/{conversation}/reply", form)).status_code == 303
    assert (await town.row())["state"] == "held"
    await town.shop.say("fang", "人呢", "wechat_oa", "王芳")
    assert await town.delivers(conversation) == ["明天到货"]


async def test_human_who_may_still_write_is_not_told_to_wait(town: Town, li: Browser):
    """On Messenger an agent's words go out for seven days: the button is the usual one."""
    conversation = await town.closed(li, "messenger")
    page = (await li.get(f"/conversations/{conversation}")).text
    assert 'name="later" value="no"' in page
    form = {"text": "明天到货", "key": "k1", "later": "no"}
    await li.post(f"/conversations/{conversation}/reply", form)
    assert await town.delivers(conversation) == ["明天到货"]


async def test_refused_words_are_sent_by_a_click_when_the_window_is_open_again(town: Town, li: Browser):
    """The shopper wrote before the agent clicked: it says so, and it is sent."""
    conversation = await town.closed(li, "whatsapp")
    said = await refused(town, li, conversation)
    await town.shop.say("fang", "人呢", "whatsapp", "王芳")
    assert ">Send now</button>" in (await li.get(f"/conversations/{conversation}")).text
    await li.post(f"/conversations/{conversation}/said/{said}/wait")
    assert await town.delivers(conversation) == ["明天到货"]


async def test_waiting_words_are_taken_back(town: Town, li: Browser):
    """The record keeps that they were not sent."""
    conversation = await town.closed(li, "whatsapp")
    said = await refused(town, li, conversation)
    await li.post(f"/conversations/{conversation}/said/{said}/wait")
    assert (await li.post(f"/conversations/{conversation}/said/{said}/withdraw")).status_code == 303
    await town.shop.say("fang", "人呢", "whatsapp", "王芳")
    assert await town.delivers(conversation) == []
    page = (await li.get(f"/conversations/{conversation}")).text
    assert "Not sent" in page
    assert (await li.post(f"/conversations/{conversation}/said/{said}/withdraw")).status_code == 409


async def test_words_that_wait_when_the_conversation_has_ended_can_still_be_taken_back(town: Town, li: Browser):
    """They would go out with the shopper's next word; until then anybody at the desk may stop them."""
    conversation = await town.closed(li, "whatsapp")
    said = await refused(town, li, conversation)
    await li.post(f"/conversations/{conversation}/said/{said}/wait")
    await li.post(f"/conversations/{conversation}/resolve")
    assert f"/said/{said}/withdraw" in (await li.get(f"/conversations/{conversation}")).text
    assert (await li.post(f"/conversations/{conversation}/said/{said}/withdraw")).status_code == 303
    assert (await town.row())["state"] == "dropped"


async def test_colleague_who_looks_on_is_offered_nothing_and_refused(town: Town, li: Browser, wang: Browser):
    """Only who holds the conversation speaks in it, now or later."""
    conversation = await town.closed(li, "whatsapp")
    said = await refused(town, li, conversation)
    await wang.sign_in("wang", PASSWORDS["agent"])
    assert f"/said/{said}/wait" not in (await wang.get(f"/conversations/{conversation}")).text
    assert (await wang.post(f"/conversations/{conversation}/said/{said}/wait")).status_code == 409
    assert (await town.row())["state"] == "refused"


@pytest.mark.parametrize("said", ["0", "x", "-1", "9" * 30, "１"])
async def test_words_that_are_not_there_are_not_found(town: Town, li: Browser, said: str):
    """Any number of nothing is a page that says so."""
    conversation = await town.closed(li, "whatsapp")
    for action in ("wait", "withdraw"):
        assert (await li.post(f"/conversations/{conversation}/said/{said}/{action}")).status_code == 404


async def test_room_says_how_much_time_is_left_in_the_agents_own_zone(town: Town, li: Browser):
    """Before typing: until when, by her clock; in the last hour how many minutes; a single message is one."""
    shop = town.shop
    await shop.desk.people.set_preferences(shop.agents["li"], "en", "America/New_York")
    conversation = await shop.say("fang", "在吗", "wechat_oa", "王芳")
    await li.post(f"/conversations/{conversation}/take")
    assert "until 2026-11-23 01:00" in (await li.get(f"/conversations/{conversation}")).text
    shop.clock.advance(timedelta(hours=47, minutes=35))
    await li.sign_in("li", PASSWORDS["agent"])
    assert "closes in 25 min" in (await li.get(f"/conversations/{conversation}")).text
    await shop.database.run(lambda on: on.exec_driver_sql("UPDATE windows SET used=4") and None)
    page = (await li.get(f"/conversations/{conversation}")).text
    assert "1 message left" in page
    assert "closes in 25 min" in page
    await shop.database.run(lambda on: on.exec_driver_sql("UPDATE windows SET used=3") and None)
    assert "2 messages left" in (await li.get(f"/conversations/{conversation}")).text
