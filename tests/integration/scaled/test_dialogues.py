"""Dialogues of the suite on the scaled house: the web process rings, two workers answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import func, select

from bot.app import demo_orders, import_orders, open_stores, open_worker
from bot.config import parse
from bot.domain.clock import ManualClock
from bot.domain.ports import Recogniser
from storage.tables import INBOX, OUTBOX
from tests.conversations.conftest import clock, model_folder, recogniser  # noqa: F401 - fixtures
from tests.conversations.script import Dialogue, dialogues, local_time
from tests.conversations.stage import SECRETS, Stage
from tests.postgresql import PostgresqlServer
from tests.redis_server import RedisServer

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.xdist_group("scaled")]
FILES = (
    "track_order.zh",
    "track_order.mixed",
    "file_complaint.zh",
    "request_human.zh",
    "faq.mixed",
    "ticket_unresolved.zh",
)
PATIENCE_S = 150.0


def chosen() -> list[Dialogue]:
    """Choose the first dialogue of each of these files: the four jobs, both languages."""
    first: dict[str, Dialogue] = {}
    for one in dialogues():
        file = one.name.split(":")[0]
        if file in FILES:
            first.setdefault(file, one)
    return list(first.values())


class ScaledStage(Stage):
    """The stage with two workers beside the house."""

    def over(self, database_url: str, redis_url: str) -> None:
        """Stand on these servers."""
        shop = {
            "database": {"url": database_url},
            "redis": {"url": redis_url, "prefix": f"test-{uuid4().hex}"},
            "turns": {"quiet_time_s": 0},
            "worker": {"sweep_s": 1.0},
        }
        self._config = parse({"xiaoer": shop}, "dialogue")

    async def _open(self) -> None:
        self._stack = AsyncExitStack()
        for _ in range(2):
            worker = open_worker(self._config, SECRETS, self._clock, self._recogniser)
            await self._stack.enter_async_context(worker)
        await super()._open()

    async def _settle(self) -> None:
        left = [select(func.count()).select_from(table).where(table.c.done_at.is_(None)) for table in (INBOX, OUTBOX)]
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            waiting = await self.house.stores.database.read(lambda on: [on.execute(each).scalar_one() for each in left])
            if waiting == [0, 0]:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the workers did not answer")


@asynccontextmanager
async def demo_shop(server: PostgresqlServer, clock: ManualClock, start: str) -> AsyncIterator[str]:  # noqa: F811
    """Give the address of a database with the demo shop's orders, its times relative to a start."""
    clock.advance(local_time(start) - clock.now() + timedelta())
    name = f"talk_{uuid4().hex}"
    url = server.create(name, "xiaoer_template")
    config = parse({"xiaoer": {"database": {"url": url}}}, "dialogue")
    async with open_stores(config, SECRETS, clock) as stores:
        await import_orders(stores, demo_orders(clock), clock, lambda _done: None)
    yield url
    server.drop(name)


@pytest.mark.parametrize("dialogue", chosen(), ids=[one.name for one in chosen()])
async def test_dialogue_goes_the_same_on_two_workers(
    dialogue: Dialogue,
    postgresql_server: PostgresqlServer,
    redis_server: RedisServer,
    clock: ManualClock,  # noqa: F811
    recogniser: Recogniser,  # noqa: F811
):
    """What the embedded house says the scaled one says."""
    async with demo_shop(postgresql_server, clock, dialogue.start) as url:
        stage = ScaledStage(dialogue, Path("unused"), clock, recogniser)
        stage.over(url, redis_server.url)
        await stage.play()
