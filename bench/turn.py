"""Measure one turn end to end in the embedded default: POST to reply row committed, and turns per second.

One process, everything durable (SQLite, WAL, synchronous=FULL), the real recogniser, the quiet time set to 0. Messages
go through the widget's HTTP endpoint without a socket. Alone: the clock stops when the turn's commit, which holds the
reply's outbox row, has returned. Together: each shopper writes again once the answer was handed to the channel.
Run it on a quiet machine: `make bench`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import httpx
from fastapi import FastAPI

from bot import app as house
from bot.channels.web.adapter import shopper_topic
from bot.channels.web.gate import Rates
from bot.channels.web.routes import WidgetPorts, WidgetSettings, build_router
from bot.channels.web.tokens import VisitorTokens
from bot.commands import preparing
from bot.config import Config, DatabaseSection, Secrets, Turns
from bot.domain.clock import Clock, SystemClock
from bot.domain.line_ports import TurnCommit, TurnOutbox
from bot.domain.orders import Order

MESSAGES = (
    "退款一般多久到账",
    "where is my parcel",
    "W{order}",
    "{digits}",
    "谢谢",
    "几点有人工客服",
    "ship to Hong Kong?",
)
WARM_UP_TURNS = 30
UNLIMITED = "1000000/second"
FIRST_ORDER = 2_000_000
ORDERS = 1000


class Shop:
    """A fresh shop with its widget, and the moment of the latest commit of a turn."""

    def __init__(self, opened: house.House) -> None:
        self.opened = opened
        self.committed = asyncio.Event()
        self._commit = opened.stores.turns.commit_turn
        opened.stores.turns.commit_turn = self._noted  # type: ignore[method-assign]
        settings = WidgetSettings(
            messages_per_visitor=UNLIMITED, messages_per_address=UNLIMITED, sessions_per_address=UNLIMITED
        )
        self.account = settings.account
        self._orders: dict[str, int] = {}
        self.tokens = VisitorTokens(opened.secrets.secret_key, settings.account, opened.clock)
        ports = WidgetPorts(opened.intake.accept, opened.stores.stream, opened.live, opened.clock)
        application = self.application = FastAPI()
        application.include_router(build_router(settings, ports, self.tokens, Rates(opened.shared.rates)))
        self.http = httpx.AsyncClient(transport=httpx.ASGITransport(application), base_url="http://shop")

    async def _noted(self, commit: TurnCommit) -> TurnOutbox:
        put = await self._commit(commit)
        self.committed.set()
        return put

    def words(self, token: str, number: int) -> str:
        """Give a visitor's next words; each asks for an order of his own."""
        order = self._orders.setdefault(token, len(self._orders) % ORDERS)
        return MESSAGES[number % len(MESSAGES)].format(order=FIRST_ORDER + order, digits=f"{order:04}")

    async def post(self, token: str, number: int) -> None:
        """Post the shopper's next message."""
        body = {"id": f"message-{number}", "text": self.words(token, number)}
        response = await self.http.post("/widget/messages", headers={"Authorization": f"Bearer {token}"}, json=body)
        response.raise_for_status()


@asynccontextmanager
async def fresh_shop(folder: Path) -> AsyncIterator[Shop]:
    """Open a shop with the demo's orders in an empty folder."""
    config = Config(
        data_dir=folder, database=DatabaseSection(url=f"sqlite:///{folder}/bench.db"), turns=Turns(quiet_time_s=0)
    )
    prepared = await asyncio.to_thread(preparing.prepare, config, Secrets(), demo=True)
    async with house.open_house(config, prepared.secrets, SystemClock()) as opened:
        await house.import_orders(opened.stores, _orders(opened.clock), opened.clock, lambda _: None)
        yield Shop(opened)


def _orders(clock: Clock) -> list[Order]:
    """Make orders like one of the demo's, so that no two visitors ask for the same."""
    like = next(order for order in house.demo_orders(clock) if order.number == "W1234567")
    return [replace(like, number=f"W{FIRST_ORDER + number}", phone_last4=f"{number:04}") for number in range(ORDERS)]


async def alone(shop: Shop, turns: int) -> tuple[list[float], list[float]]:
    """One message at a time; milliseconds to the acknowledgement and to the commit of the answer."""
    acknowledged, answered = [], []
    token = shop.tokens.issue().token
    for number in range(turns):
        if number % len(MESSAGES) == 0:
            token = shop.tokens.issue().token
        shop.committed.clear()
        begin = time.perf_counter()
        await shop.post(token, number)
        acknowledged.append(1000 * (time.perf_counter() - begin))
        await shop.committed.wait()
        answered.append(1000 * (time.perf_counter() - begin))
        await shop.opened.dispatcher.settle()
    return acknowledged[WARM_UP_TURNS:], answered[WARM_UP_TURNS:]


async def together(shop: Shop, turns: int, shoppers: int) -> float:
    """Many shoppers side by side; whole turns a second, delivery included."""

    async def visit() -> None:
        visitor = shop.tokens.issue()
        bells = shop.opened.live.subscribe([shopper_topic(shop.account, visitor.visitor_id)])
        for number in range(turns // shoppers):
            await shop.post(visitor.token, number)
            while (await anext(bells)).kind != "message":
                pass

    begin = time.perf_counter()
    await asyncio.gather(*(visit() for _ in range(shoppers)))
    return turns // shoppers * shoppers / (time.perf_counter() - begin)


async def measure(options: argparse.Namespace) -> None:
    """Run both measurements and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        async with fresh_shop(Path(folder)) as shop:
            acknowledged, answered = await alone(shop, options.turns + WARM_UP_TURNS)
            rate = await together(shop, options.load, options.shoppers)
    cores = len(os.sched_getaffinity(0))
    print(
        f"\n{platform.system()} {platform.machine()}, {cores} cores, Python {platform.python_version()}, "
        f"load at the end {os.getloadavg()[0]:.1f}"
    )
    print(f"{'':46}{'median':>9}{'p95':>9}{'p99':>9}   ms")
    for name, values in (
        ("POST to acknowledgement (inbox committed)", acknowledged),
        ("POST to reply row committed", answered),
    ):
        cuts = statistics.quantiles(values, n=100)
        print(f"{name:46}{statistics.median(values):9.1f}{cuts[94]:9.1f}{cuts[98]:9.1f}")
    print(f"{f'whole turns a second, {options.shoppers} shoppers at once':46}{rate:9.0f}")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=400, help="turns one after the other")
    parser.add_argument("--load", type=int, default=2000, help="turns with many shoppers at once")
    parser.add_argument("--shoppers", type=int, default=32, help="how many shoppers at once")
    asyncio.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()
