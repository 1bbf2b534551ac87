"""Guessing orders from one address, as somebody new for every guess: through the whole house, by its routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from bot.app import House, make_routers, open_house
from bot.channels.web.networks import Networks
from bot.config import parse
from bot.domain.clock import ManualClock
from intents.embedded import EmbeddedRecogniser
from storage.models import Base
from tests.conversations.conftest import OpenShop, clock, filled_shops, model_folder, open_shop, recogniser
from tests.conversations.script import DEFAULT_START
from tests.integration.channels.platforms import SECRETS
from tests.integration.channels.test_web_routes import Room, WidgetPorts, WidgetSettings, build_router, message

__all__ = ["clock", "filled_shops", "model_folder", "open_shop", "recogniser"]

THIEF, HONEST = "203.0.113.9", "198.51.100.7"
RIGHT = "我的单到哪了？W1234567，尾号 0001"
TRIES = 4


class Town:
    """The house with its widget, and people who come from addresses."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.app = FastAPI()
        for router in make_routers(house):
            self.app.include_router(router)

    async def asks(self, address: str, text: str) -> str:
        """Come as somebody new, write, and read what the shop says."""
        transport = httpx.ASGITransport(self.app, client=(address, 1))
        async with httpx.AsyncClient(transport=transport, base_url="https://shop.example") as http:
            token = (await http.post("/widget/session", json={})).json()["token"]
            http.headers["Authorization"] = f"Bearer {token}"
            taken = await http.post("/widget/messages", json={"id": "abcdefgh01", "text": text, "locale": "zh"})
            assert taken.status_code == 202
            await self.house.dispatcher.settle()
            items = (await http.get("/widget/history")).json()["items"]
        return "\n".join(item["text"] for item in items if item["sender"] == "bot")

    async def kept(self, *tables: str) -> str:
        """Give all that stands in tables, as text; without names in every one."""
        names = tables or tuple(Base.metadata.tables)
        return await self.house.stores.database.read(
            lambda on: "\n".join(str(on.exec_driver_sql(f"SELECT * FROM {name}").all()) for name in names)  # noqa: S608
        )


@pytest.fixture
async def town(open_shop: OpenShop, clock: ManualClock, recogniser: EmbeddedRecogniser) -> AsyncIterator[Town]:
    file = await open_shop(DEFAULT_START)
    shop = {
        "database": {"url": f"sqlite:///{file}"},
        "turns": {"quiet_time_s": 0},
        "channels": {"web": {"wrong_tries": TRIES}},
    }
    async with open_house(parse({"xiaoer": shop}, "test"), SECRETS, clock, recogniser) as house:
        yield Town(house)


async def test_new_visitor_for_every_guess_is_stopped_and_an_honest_one_elsewhere_is_not(
    town: Town, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Each guess is another order's and another visitor's; then not even the right digits open one from there."""
    for number in range(TRIES):
        said = await town.asks(THIEF, f"我的单到哪了？W900000{number}，尾号 1234")
        assert ("网络连接" in said) is (number == TRIES - 1)
    said = await town.asks(THIEF, RIGHT)
    assert ("网络连接" in said, "60 分钟" in said, "电热水壶" in said) == (True, True, False)
    assert "电热水壶" in await town.asks(HONEST, RIGHT)
    clock.advance(timedelta(minutes=61))
    assert "电热水壶" in await town.asks(THIEF, RIGHT)
    assert THIEF not in await town.kept() + caplog.text
    assert "network" not in await town.kept("inbox", "events", "proof_attempts")


async def test_office_where_everybody_knows_their_digits_is_not_locked_out(town: Town) -> None:
    """Right tries do not count, however many come from one address."""
    for _ in range(TRIES + 2):
        assert "电热水壶" in await town.asks(HONEST, RIGHT)


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("203.0.113.9", "203.0.113.10", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
        ("2001:db8:1:2::3", "2001:db8:1:2:ffff::4", True),
        ("2001:db8:1:2::3", "2001:db8:1:3::3", False),
    ],
)
async def test_message_names_its_network_and_nobody_can_tell_which(first: str, second: str, same: bool) -> None:
    """By the same address as the rates, under a key: another shop calls it otherwise."""
    room = Room(WidgetSettings())
    names = []
    for secret, host in (("s" * 32, first), ("s" * 32, second), ("t" * 32, first)):
        ports = WidgetPorts(room.inbox, room.stream, room.live, room.clock, networks=Networks(secret, "shop"))
        app = FastAPI()
        app.include_router(build_router(WidgetSettings(), ports, room.tokens))
        transport = httpx.ASGITransport(app, client=(host, 1))
        room.http = httpx.AsyncClient(transport=transport, base_url="https://shop.example")
        assert (await room.post(message())).status_code == 202
        await room.http.aclose()
        kept = room.inbox.messages[-1]
        names.append(kept.network)
        assert kept.network not in repr(kept)
    assert (names[0] == names[1]) is same
    assert names[0] != names[2]
    assert all(len(name) == 64 for name in names)
