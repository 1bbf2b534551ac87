"""A house with every channel on, in a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from bot.app import make_routers, open_house
from bot.config import Secrets, parse
from bot.domain.clock import SystemClock
from bot.domain.understanding import Expectation, Recognition
from tests.durability.script import ScriptedRecogniser


class Asleep:
    """A recogniser that never comes to a result."""

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Sleep."""
        del text, expectation
        await asyncio.Event().wait()
        raise AssertionError


@dataclass(frozen=True)
class Shop:
    """Where the house stands, with the sections of its channels; ``sleeps``: its engine never answers."""

    database_url: str
    port: int
    channels: Mapping[str, Mapping[str, Any]]
    secrets: Mapping[str, str]
    sleeps: bool


def run(shop: Shop) -> None:
    """Serve until killed or told to stop."""
    asyncio.run(_serve(shop))


async def _serve(shop: Shop) -> None:
    sections = {"database": {"url": shop.database_url}, "channels": shop.channels, "turns": {"quiet_time_s": 0}}
    recogniser = Asleep() if shop.sleeps else ScriptedRecogniser()
    config = parse({"xiaoer": sections}, "durability")
    async with open_house(config, Secrets(**shop.secrets), SystemClock(), recogniser) as opened:
        application = FastAPI()
        for router in make_routers(opened):
            application.include_router(router)
        settings = uvicorn.Config(application, port=shop.port, log_level="error", lifespan="off")
        await uvicorn.Server(settings).serve()
