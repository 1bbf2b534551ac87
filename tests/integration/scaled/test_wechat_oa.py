"""A WeChat account over several processes: one answers the calls, another does the turns and learns what it may."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from bot.app import House, make_routers, open_house, open_worker
from bot.channels.wechat_oa.send import WechatOaAdapter
from bot.config import Config
from bot.domain.clock import SystemClock
from bot.domain.ids import ConversationId
from bot.simulators.wechat_oa.people import WechatPeople
from bot.simulators.wechat_oa.server import WechatServer
from storage import outbox
from storage.tables import CONVERSATIONS, OUTBOX
from tests.conftest import told_when_missing
from tests.contract.line import says
from tests.integration.channels.calling import Calls
from tests.integration.scaled.fleet import Fleet
from tests.integration.scaled.worker import SECRETS, GreetingRecogniser, configure
from tests.unit.channels.doubles import serving

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.xdist_group("scaled")]
APP, LI, KEY, SECRET = "wxdemo0000000001", "oLi_0000000000000000000000001", "callbacktoken", "app-secret-for-tests"
WITHIN_S = 150


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Give PostgreSQL and Redis; the worker is opened here."""
    with told_when_missing():
        fleet = Fleet(workers=0)
        fleet.start()
    yield fleet
    fleet.close()


@dataclass
class Town:
    """A follower, the account's platform, and the house that answers its calls."""

    people: WechatPeople
    web: House
    calls: Calls

    async def rows(self) -> list[tuple[str, int]]:
        """List the outbox: state and tries."""
        found = select(OUTBOX.c.state, OUTBOX.c.tries).order_by(OUTBOX.c.id)
        return await self.web.stores.database.read(lambda on: [tuple(row) for row in on.execute(found)])

    async def until(self, right: Callable[[list[tuple[str, int]]], bool]) -> None:
        """Wait until the outbox is so."""
        async with asyncio.timeout(WITHIN_S):
            while not right(await self.rows()):  # noqa: ASYNC110 - another process writes them
                await asyncio.sleep(0.05)

    async def agent_says(self, words: str) -> None:
        """Put words of an agent into the conversation, and ring."""
        database, now = self.web.stores.database, self.web.clock.now()
        conversation = await database.read(
            lambda on: ConversationId(on.execute(select(CONVERSATIONS.c.id)).scalar_one())
        )
        await database.run(lambda on: outbox.add(on, conversation, [says(words, by="agent")], now) and None)
        await self.web.dispatcher.ring(conversation, 0)


@pytest.fixture
async def town(fleet: Fleet) -> AsyncIterator[Town]:
    """Open a process that answers, and one that works."""
    server = WechatServer(APP, SECRET, SystemClock())
    secrets = SECRETS.model_copy(update={"wechat_oa_token": KEY, "wechat_oa_app_secret": SECRET})
    async with (
        serving(server) as base,
        open_worker(config(fleet, base), secrets, SystemClock(), GreetingRecogniser()),
        open_house(config(fleet, base), secrets, SystemClock()) as web,
    ):
        app = FastAPI()
        for router in make_routers(web):
            app.include_router(router)
        calls = Calls(lambda: app)
        async with httpx.AsyncClient(transport=calls, base_url="https://shop.example") as http:
            yield Town(WechatPeople(server, http, "/webhooks/wechat_oa", KEY), web, calls)


def config(fleet: Fleet, base: str) -> Config:
    """Switch the account on."""
    made = configure(fleet.url, fleet.redis.url)
    account = made.channels.wechat_oa.model_copy(update={"enabled": True, "app_id": APP, "api_base": base})
    return made.model_copy(update={"channels": made.channels.model_copy(update={"wechat_oa": account})})


def sent(rows: list[tuple[str, int]]) -> bool:
    """Tell whether all is sent."""
    return {state for state, _ in rows} == {"sent"}


async def test_turn_of_another_process_is_answered_in_the_call_and_what_that_learned_is_known(town: Town):
    """The worker's answer goes out in the web process's response; that the account may not send, both know."""
    server = town.people.server
    server.knobs.permission = False
    answering = town.web.channels["wechat_oa"]
    assert isinstance(answering, WechatOaAdapter)
    await town.people.say(LI, "你好")
    await town.until(sent)
    assert len(town.people.passive) == 1
    assert not await answering.is_alone()
    await town.agent_says("已退款")
    await town.until(lambda rows: rows[-1] == ("pending", 1))
    assert await answering.is_alone()
    await town.people.say(LI, "谢谢")
    await town.until(sent)
    assert [text.splitlines()[0] for text in town.people.screen(LI)][1] == "已退款"
    assert town.people.notices == []
