"""A webhook is acknowledged once its message is committed, however long the engine takes to answer."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from bot.app import House, make_routers, open_house
from bot.config import Config, DatabaseSection
from bot.domain.clock import SystemClock
from bot.domain.understanding import Expectation, Recognition
from bot.wiring.simulation import simulate
from tests.integration.channels.senders import Channel, Request, channels_of

AT_ONCE = ("web", "telegram", "line", "whatsapp", "messenger")
"""The Official Account answers with the turn itself, customer service is pulled: both have tests of their own."""


class Sleeper:
    """A recogniser that sleeps until it is woken."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.woken = asyncio.Event()

    async def recognise(self, text: str, expectation: Expectation | None = None) -> Recognition:
        """Sleep."""
        del text, expectation
        self.asked.set()
        await self.woken.wait()
        return Recognition(engine="sleeper")

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Town:
    """An open house with every channel on and an engine that sleeps."""

    def __init__(self, house: House, sleeper: Sleeper, channels: list[Channel]) -> None:
        self.house = house
        self.sleeper = sleeper
        self.channels = {channel.name: channel for channel in channels}
        app = FastAPI()
        for router in make_routers(house):
            app.include_router(router)
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://shop.example")

    async def give(self, request: Request) -> httpx.Response:
        """Give a signed request to our webhook."""
        path, query, headers, body = request
        return await self._http.post(f"{path}?{query}", content=body, headers=headers)

    async def count(self, where: str) -> int:
        """Count rows of the inbox."""
        statement = f"SELECT count(*) FROM inbox WHERE {where}"  # noqa: S608 - our own words
        return int(await self.house.stores.database.read(lambda on: on.exec_driver_sql(statement).scalar_one()))


@pytest.fixture
async def town(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Town]:
    simulation = simulate(Config(data_dir=tmp_path))
    simulation.listener.close()
    database = shutil.copy(sqlite_template, tmp_path / "shop.db")
    config = simulation.config.model_copy(update={"database": DatabaseSection(url=f"sqlite:///{database}")})
    sleeper = Sleeper()
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(open_house(config, simulation.secrets, SystemClock(), sleeper))
        stack.callback(sleeper.woken.set)
        yield Town(house, sleeper, channels_of(config, simulation.secrets))


@pytest.mark.parametrize("name", AT_ONCE)
async def test_webhook_does_not_wait_for_the_engine(town: Town, name: str) -> None:
    """The answer comes while the turn of the message before it still sleeps; both messages are on record."""
    first, second = [await town.channels[name].next_request(f"where is my parcel, {time}") for time in (1, 2)]
    assert (await town.give(first)).is_success
    await asyncio.wait_for(town.sleeper.asked.wait(), 30)
    assert (await asyncio.wait_for(town.give(second), 30)).is_success
    assert not town.sleeper.woken.is_set()
    assert (await town.count("done_at IS NULL"), await town.count("1 = 1")) == (2, 2)


@pytest.mark.parametrize("name", AT_ONCE)
async def test_forged_webhook_is_not_recorded(town: Town, name: str) -> None:
    """The same bytes with another word in them carry a wrong signature; the web's token is spoiled instead."""
    path, query, headers, body = await town.channels[name].next_request("where is my parcel")
    spoiled = {
        key: value[:-4] + "AAAA" if key not in {"host", "content-type"} else value for key, value in headers.items()
    }
    spoiled.pop("content-length", None)
    answer = await town.give((path, query, spoiled, body))
    assert 400 <= answer.status_code < 500
    assert await town.count("1 = 1") == 0
