"""Telegram without a public address: updates are asked for, and confirmed only once they are committed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest

from bot.channels.plug import Heard, Lent, Setup
from bot.channels.pulling import Polled, ask_once, keep_asking
from bot.channels.telegram.parse import CHANNEL, TelegramSettings
from bot.channels.telegram.send import TelegramAdapter
from bot.channels.telegram.webhook import TelegramPlug, Updates, check_telegram
from bot.config_channels import TelegramChannel
from bot.domain.channel_ports import Addressee
from bot.domain.clock import ManualClock
from bot.domain.errors import StorageError
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import Accepted
from bot.domain.messages import Button, InboundMessage, OutboundMessage
from bot.simulators.network import SimulatedNetwork
from bot.simulators.telegram.people import TelegramPeople
from bot.simulators.telegram.server import TelegramServer
from tests.integration.channels.test_telegram import LI, TOKEN
from tests.unit.channels.doubles import NOON, MemoryInbox, serving

SETTINGS = TelegramSettings(TOKEN, "xiaoer_demo_bot", polls=True)


class Writers(TelegramPeople):
    """People whose updates wait at Telegram until they are asked for."""

    async def post(self, update: Any) -> httpx.Response:
        """Let an update wait."""
        self.server.pending.append(update)
        return httpx.Response(200)


class Shop:
    """A simulated Telegram that is asked for updates, and an inbox that can fail."""

    def __init__(self) -> None:
        self.server = TelegramServer(TOKEN, ManualClock(NOON))
        self.server.knobs.longest_poll_s = 0.05
        self.network = SimulatedNetwork(self.server)
        self.adapter = TelegramAdapter(SETTINGS, self.network)
        self.http = httpx.AsyncClient()
        self.people = Writers(self.server, self.http, "", "")
        self.people.meet(LI, "小李")
        self.inbox = MemoryInbox()
        self.broken = False

    async def on_messages(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        """Keep messages, unless the disk is full."""
        if self.broken:
            raise StorageError("disk full")
        return await self.inbox(messages)

    def polled(self, leads: Callable[[], bool] = lambda: True) -> Polled:
        """Give what a process that has just started asks."""
        updates = Updates(self.adapter, self.on_messages, ManualClock(NOON), self.network)

        async def answer() -> bool:
            return leads()

        return Polled(CHANNEL, updates.ask, updates.answer, answer)

    @property
    def texts(self) -> list[str]:
        """List what was kept."""
        return [message.text for message in self.inbox.messages]


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    made = Shop()
    yield made
    await made.adapter.close()
    await made.http.aclose()


async def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - what is waited for is any condition
            await asyncio.sleep(0.01)


async def test_polling_takes_everything_once_and_in_order(shop: Shop):
    """What waited before the start and what comes while we listen: each once, confirmed by the next question."""
    for number in range(5):
        await shop.people.say(LI, f"before {number}")
    async with keep_asking(shop.polled()):
        await until(lambda: len(shop.texts) == 5)
        await shop.people.say(LI, "after")
        await until(lambda: "after" in shop.texts)
        await until(lambda: not shop.server.pending)
    assert shop.texts == [*(f"before {number}" for number in range(5)), "after"]


async def test_press_that_was_polled_is_answered(shop: Shop):
    """The button stops spinning, and an update without a press asks nothing of Telegram."""
    message = OutboundMessage("哪一类？", (Button("质量", "=quality"),))
    await shop.adapter.send(Addressee("shop", str(LI), ConversationId("c")), message, OutboxId(1))
    await shop.people.press(LI, "质量")
    await ask_once(shop.polled(), 0)
    assert [one.payload for one in shop.inbox.messages] == ["=quality"]
    assert len(shop.server.answered_presses) == 1


async def test_nothing_is_confirmed_before_it_is_committed(shop: Shop):
    """The disk is full in the middle of a batch: another process gets all of it again, and keeps it once."""
    for number in range(3):
        await shop.people.say(LI, str(number))
    shop.broken = True
    with pytest.raises(StorageError):
        await ask_once(shop.polled(), 0)
    assert len(shop.server.pending) == 3
    shop.broken = False
    position = await ask_once(shop.polled(), 0)
    await ask_once(shop.polled(), 0)
    assert shop.texts == ["0", "1", "2"]
    assert await ask_once(shop.polled(), position) == 0
    assert shop.server.pending == []


async def test_numbers_that_begin_anew_are_heard(shop: Shop):
    """After a week without updates Telegram goes on with any number; an old position would throw those away."""
    await shop.people.say(LI, "old")
    position = await ask_once(shop.polled(), await ask_once(shop.polled(), 0))
    shop.server.pending.append({"update_id": 5, "message": shop.people.message(LI, text="new")})
    await ask_once(shop.polled(), position)
    assert shop.texts == ["old", "new"]


async def test_update_that_cannot_be_read_holds_nobody_up(shop: Shop):
    """A broken update is passed over; what is behind it is kept and confirmed."""
    shop.server.pending.append({"update_id": 1, "message": {"message_id": "x"}})
    await shop.people.say(LI, "behind")
    position = await ask_once(shop.polled(), 0)
    await ask_once(shop.polled(), position)
    assert shop.texts == ["behind"]
    assert shop.server.pending == []


async def test_one_of_two_processes_asks(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """Only the one that leads asks; when it goes, the other goes on with what was not confirmed."""
    monkeypatch.setattr("bot.channels.pulling.LEAD_LOOK_S", 0.01)
    leader = ["a"]
    async with keep_asking(shop.polled(lambda: leader[0] == "b")):
        async with keep_asking(shop.polled(lambda: leader[0] == "a")):
            await shop.people.say(LI, "one")
            await until(lambda: shop.texts == ["one"])
        assert shop.server.conflicts == 0
        leader[0] = "b"
        await shop.people.say(LI, "two")
        await until(lambda: shop.texts == ["one", "two"])
    assert shop.server.conflicts == 0


async def test_webhook_in_the_way_is_said_with_what_to_do(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """409: the log and the check name the command; once the webhook is gone everything is heard."""
    monkeypatch.setattr("bot.channels.pulling.AGAIN_S", 0.01)
    shop.server.webhook = {"url": "https://shop.example/webhooks/telegram"}
    shop.server.pending.append({"update_id": 1, "message": shop.people.message(LI, text="hello")})
    (_, found) = await check_telegram(SETTINGS, "", shop.network)
    assert "shop.example" in found.what
    assert "channels connect telegram" in found.fix
    async with keep_asking(shop.polled()):
        await until(lambda: shop.server.conflicts > 0)
        await shop.adapter.set_webhook("", "")
        await until(lambda: shop.texts == ["hello"])
    said = capsys.readouterr().out
    assert "can't use getUpdates method while webhook is active" in said
    assert "xiaoer channels check telegram" in said
    assert TOKEN not in said
    assert all(one.good for one in await check_telegram(SETTINGS, "", shop.network))


async def test_telegram_away_is_waited_for(shop: Shop, monkeypatch: pytest.MonkeyPatch):
    """Faults and lost connections are tried again; nothing is lost."""
    monkeypatch.setattr("bot.channels.pulling.AGAIN_S", 0.01)
    shop.server.knobs.drop_next = 2
    await shop.people.say(LI, "hello")
    async with keep_asking(shop.polled()):
        await until(lambda: shop.texts == ["hello"])


async def test_plug_asks_only_where_config_says_polling():
    """``receive: polling``: no webhook is served and messages come by asking; else nothing is asked."""
    shop = Shop()
    secrets = {"telegram_token": TOKEN, "telegram_secret": ""}
    async with serving(shop.server) as base:
        await shop.people.say(LI, "hello")
        for receive in ("webhook", "polling"):
            section = TelegramChannel(receive=receive, api_base=base)
            plug = TelegramPlug(Setup("telegram", section, secrets | {"telegram_secret": "s"}))
            heard = cast("Heard", SimpleNamespace(clock=ManualClock(NOON), on_messages=shop.inbox, leads=_always))
            async with plug.adapter(cast("Lent", None)) as adapter, plug.background(adapter, heard):
                routes = plug.router(adapter, heard).routes
                if receive == "polling":
                    await until(lambda: shop.texts == ["hello"])
            assert bool(routes) == (receive == "webhook")
            assert shop.texts == (["hello"] if receive == "polling" else [])
    await shop.adapter.close()
    await shop.http.aclose()


async def _always() -> bool:
    return True
