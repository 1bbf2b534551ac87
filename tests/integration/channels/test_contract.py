"""What every channel promises, through the whole house: signed webhook, real database, engine, delivery, platform."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.clock import ManualClock
from bot.domain.ids import ConversationId
from bot.domain.understanding import Expectation, Recognition
from bot.health.logs import set_up_logs
from bot.simulators.meta import graph
from bot.simulators.telegram.server import Declined
from tests.integration.channels.platforms import OTHERS, SECRETS, SHOPPERS
from tests.integration.channels.shoppers import OnPlatform
from tests.integration.channels.stage import Stage, opened
from tests.unit.channels.doubles import NOON

CHANNELS = ("web", "telegram", "wechat_oa", "wecom_kf", "whatsapp", "messenger", "instagram", "line")
PATIENCE_S = 30
MORE = {
    # The passive answer is a contract of its own (test_wechat_passive): here the account sends by itself.
    "wechat_oa": {"replies": "service"},
    "messenger": {"disclose": False},
    "instagram": {"disclose": False},
}
LIFE = {"wechat_oa": 48, "wecom_kf": 48, "whatsapp": 24, "messenger": 24, "instagram": 24}
"""How long a platform lets the bot send after the customer's last message, in hours."""
BUSY: dict[str, Any] = {
    "telegram": Declined(429, "Too Many Requests: retry after 17", retry_after=17),
    "line": (429, "The API rate limit has been exceeded. Try again later."),
    "wechat_oa": 45009,
    "wecom_kf": 45009,
    "whatsapp": graph.Declined(429, 4, "Application request limit reached"),
    "messenger": graph.Declined(429, 4, "Application request limit reached"),
    "instagram": graph.Declined(429, 4, "Application request limit reached"),
}


class Sleeper:
    """A recogniser that understands nothing, and sleeps before that until it is released."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.released = asyncio.Event()

    async def recognise(self, text: str, expectation: Expectation | None = None) -> Recognition:
        """Sleep."""
        del text, expectation
        self.asked.set()
        await self.released.wait()
        return Recognition(engine="sleeper")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Shop:
    """A house with one channel on, whose engine sleeps until it is released."""

    def __init__(self, name: str, stage: Stage, sleeper: Sleeper, clock: ManualClock) -> None:
        self.name = name
        self.stage = stage
        self.sleeper = sleeper
        self.clock = clock
        self.shopper = stage.shoppers[name]

    async def says(self, text: str) -> None:
        """Let the shopper write; what is pulled is pulled."""
        await asyncio.wait_for(self.shopper.say(text), PATIENCE_S)
        await self.stage.pulled()

    async def rows(self, what: str, table: str) -> list[Any]:
        """Read a column."""
        statement = f"SELECT {what} FROM {table} ORDER BY id"  # noqa: S608 - our own words
        found = await self.stage.house.stores.database.read(lambda on: on.exec_driver_sql(statement).scalars().all())
        return list(found)

    async def count(self, where: str) -> int:
        """Count rows of the inbox."""
        return len(await self.rows("id", f"inbox WHERE {where}"))

    async def wait(self) -> None:
        """Let the longest wait pass that a platform asks for, and what waits be looked at."""
        self.clock.advance(timedelta(hours=2))
        for conversation in await self.rows("id", "conversations"):
            await self.stage.house.dispatcher.ring(ConversationId(conversation))
        await self.stage.house.dispatcher.settle()


@pytest.fixture
async def shop(request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Shop]:
    name, clock, sleeper = request.param, ManualClock(NOON), Sleeper()
    database = Path(shutil.copy(sqlite_template, tmp_path / "shop.db"))
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(opened({name: "en"}, database, clock, sleeper, MORE))
        stack.callback(sleeper.released.set)
        yield Shop(name, stage, sleeper, clock)


@pytest.mark.parametrize("shop", CHANNELS, indirect=True)
async def test_webhook_does_not_wait_for_the_engine(shop: Shop) -> None:
    """It answers while the turn of the message before still sleeps; both are on record, and answered once it wakes."""
    await shop.says("where is my parcel, 1")
    await asyncio.wait_for(shop.sleeper.asked.wait(), PATIENCE_S)
    await shop.says("where is my parcel, 2")
    assert not shop.sleeper.released.is_set()
    assert (await shop.count("done_at IS NULL"), await shop.count("1 = 1")) == (2, 2)
    assert await shop.shopper.screen() == []
    shop.sleeper.released.set()
    await shop.stage.house.dispatcher.settle()
    assert await shop.count("done_at IS NULL") == 0
    assert await shop.shopper.screen() != []


@pytest.mark.parametrize("shop", sorted(LIFE), indirect=True)
async def test_closed_window_is_refused_without_asking_the_platform(shop: Shop) -> None:
    """What is said when the time is over is on record as refused for its window; no call is made."""
    shop.sleeper.released.set()
    await shop.says("hello")
    assert await shop.stage.reads(shop.name)
    platform = shop.stage.platforms[shop.name]
    calls = platform.sends
    assert calls
    shop.clock.advance(timedelta(hours=LIFE[shop.name], minutes=1))
    await shop.stage.play([{"agent": "take", "silent": True}])
    assert (await shop.rows("refusal", "outbox"))[-1] == "window"
    assert platform.sends == calls


@pytest.mark.parametrize("shop", ["wechat_oa", "wecom_kf"], indirect=True)
async def test_message_beyond_the_quota_is_refused_without_asking_the_platform(shop: Shop) -> None:
    """Five go out after a customer's message; the sixth is on record as refused for its number, and not tried."""
    shop.sleeper.released.set()
    await shop.says("hello")
    await shop.stage.house.dispatcher.settle()
    platform = shop.stage.platforms[shop.name]
    await shop.stage.play([{"agent": "take"}])
    left = 5 - platform.sends
    assert left > 0
    for number in range(left):
        await shop.stage.play([{"agent": "reply", "text": f"word {number}", "reads": [f"word {number}"]}])
    await shop.stage.play([{"agent": "reply", "text": "one too many", "silent": True}])
    assert (await shop.rows("refusal", "outbox"))[-1] == "quota"
    assert platform.sends == 5


@pytest.mark.parametrize("shop", sorted(BUSY), indirect=True)
async def test_wait_that_a_platform_asks_for_holds_back_one_chat_alone(shop: Shop) -> None:
    """The first is told to wait and gets his answer later, once; the second gets his at once."""
    shop.sleeper.released.set()
    platform = shop.stage.platforms[shop.name]
    assert isinstance(shop.shopper, OnPlatform)
    other = OnPlatform(shop.shopper.people, OTHERS[shop.name])
    platform.server.knobs.retry_after_s = 17
    await shop.says("hello")
    await shop.stage.house.dispatcher.settle()
    first = await shop.shopper.screen()
    shop.sleeper.released.clear()
    await shop.says("are you there?")
    platform.server.knobs.fail_next = [BUSY[shop.name]]
    shop.sleeper.released.set()
    await shop.stage.house.dispatcher.settle()
    assert platform.server.knobs.fail_next == []
    assert await shop.shopper.screen() == first
    shop.shopper, waits = other, shop.shopper
    await shop.says("hello")
    await shop.stage.house.dispatcher.settle()
    assert await other.screen() != []
    assert await waits.screen() == first
    await shop.wait()
    later = await waits.screen()
    assert len(later) > len(first)
    await shop.wait()
    assert await waits.screen() == later


@pytest.mark.parametrize("shop", CHANNELS, indirect=True)
async def test_no_secret_and_no_word_of_a_shopper_is_logged(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """An exchange, an answer that is put off and one whose connection is lost: nothing private, whatever the level."""
    platform = shop.stage.platforms.get(shop.name)
    set_up_logs("text", "debug")
    for number, fault in enumerate((None, "fail_next", "drop_next")):
        shop.sleeper.released.clear()
        await shop.says(f"my private words {number}")
        if platform is not None and fault:
            setattr(platform.server.knobs, fault, [BUSY[shop.name]] if fault == "fail_next" else 1)
        shop.sleeper.released.set()
        await shop.stage.house.dispatcher.settle()
        await shop.wait()
    logged = capsys.readouterr().err
    assert "delivery" in logged
    secrets = {str(value) for value in SECRETS.model_dump().values() if value}
    assert not [secret for secret in (*secrets, "my private words") if secret in logged]


@pytest.mark.parametrize("shop", ["wecom_kf"], indirect=True)
async def test_pulled_entry_of_a_newer_type_is_recorded_as_unknown(shop: Shop) -> None:
    """The callback is acknowledged, and the entry behind it is on record, also for the agent who reads it."""
    assert isinstance(shop.shopper, OnPlatform)
    await shop.shopper.people.message(SHOPPERS[shop.name], "hologram", {"media_id": "m1"})
    await shop.stage.pulled()
    (kept,) = await shop.rows("message", "inbox")
    assert json.loads(kept)["kind"] == "unknown"
