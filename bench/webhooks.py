"""Measure the webhooks of all channels against their bar, and throw mutated payloads at them.

The real house over SQLite (synchronous=FULL) takes signed webhooks without a socket, 50 a second a channel; the clock
runs from the request to the acknowledgement, its message committed. Turns wait meanwhile, so that the figure is that of
verifying, parsing and committing alone. An Official Account's acknowledgement is its answer: there the clock stops at
the commit. Then each channel is given payloads of its fixtures with anything put anywhere, rightly signed: none may end
in a 500 or an exception, and memory must not grow. A rightly made message to an Official Account would wait seconds for
its answer, so these go to a second house whose account answers by customer-service message (``replies: service``) and
acknowledges after the commit; a smaller share waits all at once in the first until WeChat hangs up. Run it on a quiet
machine: `make bench-webhooks`.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import gc
import itertools
import logging
import os
import platform
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import asgi
import structlog
from fastapi import FastAPI

from bot import app as house
from bot.config import Config
from bot.domain.clock import SystemClock
from bot.domain.line_ports import Accepted
from bot.domain.messages import InboundMessage
from bot.health.memory import settle_memory
from storage.schema import migrate
from tests.integration.channels.senders import Channel, Request, channels_of

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- webhooks: begin -->", "<!-- webhooks: end -->"
RATE = 50
AT_ONCE = 16
WAITING_SHARE = 20
HUNG_UP = 504
BAR_MS = (6.0, 40.0)
JUNK: tuple[Any, ...] = (
    *(None, True, -1, 2**70, 1e308, "", " ", "x" * 5000, "\u0000", "]]>", "<b>&amp;", "😀" * 50),
    *([], {}, [[]], {"": None}, [1, "a", None], {"id": {}}, "2026-99-99", "١٢٣", "\u202eabc"),
)


class Shop:
    """The open house behind its routes; ``commits`` holds the moment of every commit of messages."""

    def __init__(self, opened: house.House) -> None:
        self.opened = opened
        self.commits: asyncio.Queue[float] = asyncio.Queue()
        self._callers = itertools.count(1)
        self._accept = opened.heard.on_messages
        self.application = FastAPI()
        for router in house.make_routers(replace(opened, heard=replace(opened.heard, on_messages=self._noted))):
            self.application.include_router(router)

    async def _noted(self, messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        taken = await self._accept(messages)
        self.commits.put_nowait(time.perf_counter())
        return taken

    async def post(self, request: Request) -> int:
        """Give a request to the application; its status."""
        path, query, headers, body = request
        named = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        caller = str(ip_address(0x0A000000 + next(self._callers)))
        return await asgi.post(self.application, asgi.Call(path, named, body, query, caller))


@asynccontextmanager
async def open_shop(folder: Path, replies: str = "both") -> AsyncIterator[tuple[Shop, list[Channel]]]:
    """Open a house with every channel on, in which no turn runs; ``replies`` is the Official Account's."""
    simulation = house.simulate(Config(data_dir=folder))
    simulation.listener.close()
    account = simulation.config.channels.wechat_oa.model_copy(update={"replies": replies})
    channels = simulation.config.channels.model_copy(update={"wechat_oa": account})
    config = simulation.config.model_copy(update={"channels": channels})
    await asyncio.to_thread(migrate, config.database.url)
    clock = SystemClock()
    async with house.open_house(config, simulation.secrets, clock, recogniser=_Silent()) as opened:  # type: ignore[arg-type]
        await opened.dispatcher.stop()  # type: ignore[attr-defined]
        yield Shop(opened), channels_of(config, simulation.secrets)


class _Silent:
    """Stands where the recogniser would; no turn runs here."""


# ---------------------------------------------------------------- the bar


async def steady(shop: Shop, channel: Channel, seconds: float) -> list[float]:
    """Give 50 messages a second; milliseconds until each is acknowledged, its message committed."""
    requests = [await channel.next_request(f"退款一般多久到账 {number}") for number in range(int(RATE * seconds))]
    taken: list[float] = []
    waiting: list[asyncio.Task[int]] = []

    async def give(request: Request) -> None:
        begin = time.perf_counter()
        if channel.name == "wechat_oa":  # its answer is the turn's: the message is safe when it is committed
            waiting.append(asyncio.create_task(shop.post(request)))
            end = await shop.commits.get()
        else:
            status = await shop.post(request)
            end = time.perf_counter()
            if status not in {200, 202}:
                raise RuntimeError(f"{channel.name} answered {status} to a good message")
        taken.append(1000 * (end - begin))

    begin = time.perf_counter()
    tasks = []
    for number, request in enumerate(requests):
        await asyncio.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
        tasks.append(asyncio.create_task(give(request)))
    await asyncio.gather(*tasks)
    for one in waiting:
        one.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    while not shop.commits.empty():
        shop.commits.get_nowait()
    return taken[RATE // 2 :]


# ---------------------------------------------------------------- anything, anywhere


def mutated(value: Any, chance: random.Random) -> Any:
    """Copy a payload with junk in one to three places, or fields gone."""
    copied = copy.deepcopy(value)
    for _ in range(chance.randint(1, 3)):
        holder, place = _somewhere(copied, chance)
        if holder is None:
            return copy.deepcopy(chance.choice(JUNK))
        if chance.random() < 0.2 and isinstance(holder, dict):
            del holder[place]
        else:
            holder[place] = copy.deepcopy(chance.choice(JUNK))
    return copied


def _somewhere(value: Any, chance: random.Random) -> tuple[Any, Any]:
    holder, place = None, None
    while isinstance(value, dict | list) and value:
        holder = value
        place = chance.choice(list(value)) if isinstance(value, dict) else chance.randrange(len(value))
        value = value[place]
        if chance.random() < 0.25:
            break
    return holder, place


async def throw(shop: Shop, channel: Channel, count: int, chance: random.Random, at_once: int) -> Counter[int]:
    """Give mutated payloads, so many at once; how often each status came back."""
    statuses: Counter[int] = Counter()
    for first in range(0, count, at_once):
        requests = []
        for _ in range(min(at_once, count - first)):
            await channel.post(mutated(chance.choice(channel.samples), chance))
            requests.append(channel.caught.requests.pop())
        statuses.update(await asyncio.gather(*(shop.post(request) for request in requests)))
        while not shop.commits.empty():
            shop.commits.get_nowait()
    return statuses


def resident_mb() -> float:
    """Tell how much memory the process holds now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


# ---------------------------------------------------------------- all together


async def measure(options: argparse.Namespace) -> str:
    """Run everything; the section of docs/benchmarks.md."""
    load_before = os.getloadavg()[0]
    chance = random.Random(20261122)  # noqa: S311 - the same junk every time
    thrown: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        async with open_shop(Path(folder)) as (shop, channels):
            settle_memory()  # as the server does once it is open
            rows = [await _row(shop, channel, options.seconds) for channel in channels]
            each = options.payloads // len(channels)
            if each:
                account = next(channel for channel in channels if channel.name == "wechat_oa")
                thrown.append(await _wait_all(shop, account, each // WAITING_SHARE, chance))
    if each:
        with tempfile.TemporaryDirectory() as folder:
            async with open_shop(Path(folder), replies="service") as (shop, channels):
                thrown.insert(0, await _throw_all(shop, channels, each, chance))
    machine = (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} "
        f"cores, Python {platform.python_version()}; load of the machine {load_before:.1f} before. "
        "`make bench-webhooks`."
    )
    head = ["| channel, 50/s | median (bar 6 ms) | p99 (bar 40 ms) | met |", "|---|---|---|---|"]
    return "\n".join(["## Webhooks: verify, parse, commit", "", machine, "", *head, *rows, "", *thrown])


async def _row(shop: Shop, channel: Channel, seconds: float) -> str:
    await steady(shop, channel, 1)
    taken = await steady(shop, channel, seconds)
    half, worst = statistics.median(taken), statistics.quantiles(taken, n=100)[98]
    met = "yes" if half <= BAR_MS[0] and worst <= BAR_MS[1] else "no"
    row = f"| {channel.name} | {half:.1f} ms | {worst:.1f} ms | {met} |"
    print(row, flush=True)
    return row


async def _throw_all(shop: Shop, channels: Sequence[Channel], each: int, chance: random.Random) -> str:
    statuses: Counter[int] = Counter()
    for channel in channels:
        await throw(shop, channel, 200, chance, AT_ONCE)
    grown: dict[str, float] = {}
    for channel in channels:
        before = resident_mb()
        found = await throw(shop, channel, each, chance, AT_ONCE)
        grown[channel.name] = resident_mb() - before
        print(f"{channel.name}: {dict(found)}, {grown[channel.name]:+.0f} MB", flush=True)
        statuses += found
    if any(status >= 500 for status in statuses):
        raise SystemExit(f"mutated payloads ended in {dict(statuses)}; none may end in a 500")
    counts = grown.pop("web")
    return (
        f"{statuses.total():,} mutated payloads, rightly signed: {_counted(statuses)}; no exception; memory "
        f"{sum(grown.values()):+.0f} MB, and {counts:+.0f} MB for the widget's counts of its visitors' last minute "
        "(each payload is another visitor's, from another address). The Official Account answers these by "
        "customer-service message (`replies: service`): its webhook acknowledges after the commit as the others do."
    )


async def _wait_all(shop: Shop, account: Channel, count: int, chance: random.Random) -> str:
    """Let payloads wait for their passive answer side by side; no turn runs, so that all wait until the end."""
    await throw(shop, account, 200, chance, 200)
    before = resident_mb()
    statuses = await throw(shop, account, count, chance, count)
    grown = resident_mb() - before
    if any(status >= 500 and status != HUNG_UP for status in statuses):
        raise SystemExit(f"mutated payloads ended in {dict(statuses)}; none may end in a 500 but {HUNG_UP}")
    return (
        f"{statuses.total():,} more to an account that answers in the call, waiting side by side until WeChat has hung "
        f"up ({HUNG_UP}, it calls again): {_counted(statuses)}; memory {grown:+.0f} MB."
    )


def _counted(statuses: Counter[int]) -> str:
    return ", ".join(f"{count:,} x {status}" for status, count in sorted(statuses.items()))


def keep(section: str) -> None:
    """Put the section into docs/benchmarks.md, in place of the last run's."""
    old = PAGE.read_text(encoding="utf-8")
    if BEGIN not in old:
        old = f"{old.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{section}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    """Read the options, measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="how long each channel is given messages")
    parser.add_argument("--payloads", type=int, default=100_000, help="mutated payloads in all; 0: none")
    parser.add_argument("--keep", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    section = asyncio.run(measure(options))
    print(section)
    if options.keep:
        keep(section)


if __name__ == "__main__":
    main()
