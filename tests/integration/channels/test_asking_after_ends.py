"""A WeCom session that a person ends, through the whole house: one question by the end's code, and its answer."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from bot.channels.wecom_kf import following
from bot.domain.clock import ManualClock
from bot.domain.thread_ports import Place
from bot.engine.dispatcher import EmbeddedDispatcher
from bot.simulators.wecom_kf.people import KfPeople
from bot.simulators.wecom_kf.server import ENDED, NEW, KfServer
from storage.tables import EVENTS, OUTBOX, SURVEYS, WINDOWS
from tests.integration.channels.platforms import SHOPPERS
from tests.integration.channels.shoppers import OnPlatform
from tests.integration.channels.stage import Stage, opened
from tests.integration.channels.test_contract import Sleeper
from tests.unit.channels.doubles import NOON

LI, ACCOUNT = SHOPPERS["wecom_kf"], "wkDemo01"


class Visit:
    """A customer at a house that is open."""

    def __init__(self, stage: Stage, clock: ManualClock) -> None:
        self.stage = stage
        self.clock = clock
        shopper, server = stage.shoppers["wecom_kf"], stage.platforms["wecom_kf"].server
        assert isinstance(shopper, OnPlatform)
        assert isinstance(server, KfServer)
        assert isinstance(shopper.people, KfPeople)
        self.shopper, self.people, self.server = shopper, shopper.people, server
        # Looked for by the test alone, so that nothing is asked between two of its steps.
        dispatcher = stage.house.dispatcher
        assert isinstance(dispatcher, EmbeddedDispatcher)
        self.timers, dispatcher.timers = dispatcher.timers, None

    async def begins(self) -> None:
        """Look for what is due for the first time, then let the customer ask and be answered."""
        await self.looks()
        await self.shopper.say("在吗")
        await self.settle()
        self.clock.advance(timedelta(seconds=5))

    async def settle(self) -> None:
        """Wait until all is pulled, answered and delivered."""
        await self.stage.pulled()
        await self.stage.house.dispatcher.settle()  # type: ignore[attr-defined]

    async def looks(self) -> None:
        """Let the house look for what is due, and deliver it."""
        assert self.timers is not None
        self.clock.advance(timedelta(seconds=6))
        await self.timers.sweep(self.stage.house.dispatcher)
        await self.settle()

    async def ended(self) -> None:
        """Wait until WeCom has been told of an end of ours, and what it gave for that is on record."""
        given = WINDOWS.select().where(WINDOWS.c.kind == "end")
        database = self.stage.house.stores.database
        async with asyncio.timeout(30):
            while await database.read(lambda on: on.execute(given).first()) is None:
                await self.settle()
                await asyncio.sleep(0.02)
        assert self.server.session(ACCOUNT, LI).state == ENDED

    async def scores(self) -> list[int]:
        """List the scores on record."""
        found = await self.stage.house.stores.database.read(lambda on: on.execute(EVENTS.select()).mappings().all())
        return [row["data"]["score"] for row in found if row["kind"] == "rated"]

    async def surveys(self) -> list[tuple[str, str]]:
        """List who was asked about, and what became of it."""
        found = await self.stage.house.stores.database.read(lambda on: on.execute(SURVEYS.select()).mappings().all())
        return [(row["served_by"], row["outcome"]) for row in found]


@pytest.fixture
def clock() -> ManualClock:
    """Give a clock that stands within the shop's hours."""
    return ManualClock(NOON - timedelta(hours=6))


@pytest.fixture(params=["console", "wecom"])
async def visit(
    request: pytest.FixtureRequest,
    sqlite_template: Path,
    tmp_path: Path,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Visit]:
    """Open the house, with humans here or there."""
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.05)
    awake = Sleeper()
    awake.released.set()
    database = Path(shutil.copy(sqlite_template, tmp_path / "shop.db"))
    more = {"wecom_kf": {"humans": request.param}}
    async with opened({"wecom_kf": "zh"}, database, clock, awake, more) as stage:
        yield Visit(stage, clock)


async def test_who_was_served_in_wecom_is_asked_when_staff_end_it_and_his_click_is_the_score(visit: Visit) -> None:
    """One menu over the end's code; the click opens a session again, is the score, and is thanked for."""
    await visit.begins()
    await visit.people.take_over(LI)
    await visit.settle()
    visit.clock.advance(timedelta(minutes=1))
    await visit.people.end(LI)
    await visit.settle()
    visit.server.calls.clear()
    await visit.looks()
    assert (visit.server.shapes[-1], [words for _, words in visit.server.offered[-1]]) == (
        "msgmenu",
        ["1 分，很差", "2 分，不太好", "3 分，一般", "4 分，满意", "5 分，很满意"],
    )
    assert visit.server.calls.count("send_msg_on_event") == 1
    assert "send_msg" not in visit.server.calls
    assert visit.server.session(ACCOUNT, LI).state == ENDED
    asked = len(await visit.shopper.screen())
    visit.clock.advance(timedelta(hours=1))
    await visit.shopper.choose("5 分，很满意")
    assert visit.server.session(ACCOUNT, LI).state == NEW
    await visit.settle()
    assert await visit.scores() == [5]
    assert len(await visit.shopper.screen()) > asked
    assert await visit.surveys() == [("agent", "asked")]


async def test_who_was_served_at_our_desk_is_asked_when_the_agent_ends_it(visit: Visit) -> None:
    """The end is told to WeCom, which gives the code for it."""
    await visit.begins()
    agent, number = await visit.stage.agent(), await visit.stage.conversation("wecom_kf")
    actions = visit.stage.house.desk.actions
    await actions.take(number, agent)
    await actions.reply(number, agent, "好了", "key-1")
    await visit.settle()
    await actions.resolve(number, agent)
    await visit.ended()
    said = len(await visit.shopper.screen())
    await visit.looks()
    assert len(await visit.shopper.screen()) == said + 1
    assert visit.server.shapes[-1] == "msgmenu"
    await visit.shopper.choose("4 分，满意")
    await visit.settle()
    assert await visit.scores() == [4]


async def test_end_that_is_heard_of_too_late_is_not_asked_about(visit: Visit) -> None:
    """Nothing is sent, nothing opened, and it is on record why."""
    await visit.begins()
    await visit.people.take_over(LI)
    await visit.settle()
    visit.people.silent = True
    await visit.people.end(LI)
    visit.people.silent = False
    visit.clock.advance(timedelta(seconds=30))
    await visit.people.call_back()
    await visit.settle()
    said = await visit.shopper.screen()
    await visit.looks()
    visit.clock.advance(timedelta(minutes=11))
    await visit.looks()
    assert await visit.shopper.screen() == said
    assert await visit.surveys() == [("agent", "no_room")]
    rows = await visit.stage.house.stores.database.read(lambda on: on.execute(OUTBOX.select()).mappings().all())
    assert {row["state"] for row in rows} == {"sent"}


async def test_desk_knows_where_customers_of_wecom_wait(visit: Visit) -> None:
    """In WeCom's queue where humans answer there, else at our desk."""
    house = visit.stage.house
    humans = house.config.channels.wecom_kf.humans
    assert house.desk.stores.queues == ({"wecom_kf": Place.WECOM} if humans == "wecom" else {})
