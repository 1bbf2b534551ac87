"""Measure the message line of the embedded default against its bars and keep the last run in docs/benchmarks.md.

One process, everything durable (SQLite, WAL, synchronous=FULL), the real recogniser, the quiet time set to 0. Messages
go through the widget's HTTP endpoint without a socket. A turn is whole when its answer was handed to the channel and
the shopper's page was rung. Costs with much in the database and late in a conversation are ratios of medians, taken in
turns, so that what else the machine does weighs on both sides. Run it on a quiet machine: `make bench-pipeline`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import platform
import resource
import shutil
import sqlite3
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import asgi
from rasa_webhook import beside
from turn import Shop, fresh_shop, together

from bot.channels.web.adapter import shopper_topic
from bot.domain.ids import new_id

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- pipeline: begin -->", "<!-- pipeline: end -->"
RATE = 50
ACCEPTED = 202
BATCH = 14


class LeanShop(Shop):
    """A shop whose visitors speak ASGI themselves."""

    async def post(self, token: str, number: int) -> None:
        """Post the shopper's next message."""
        body = json.dumps({"id": f"message-{number}", "text": self.words(token, number)}).encode()
        headers = [
            (b"host", b"shop"),
            (b"authorization", f"Bearer {token}".encode()),
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        answered = await asgi.post(self.application, asgi.Call("/widget/messages", headers, body))
        if answered != ACCEPTED:
            raise RuntimeError(f"the widget answered {answered} to message {number}")


@asynccontextmanager
async def lean_shop(folder: Path) -> AsyncIterator[Shop]:
    """Open a fresh shop with lean visitors."""
    async with fresh_shop(folder) as shop:
        shop.__class__ = LeanShop
        yield shop


@dataclass(frozen=True)
class Row:
    """A line of the table; ``met`` is None where nothing was measured."""

    what: str
    bar: str
    measured: str
    met: bool | None


def quantiles(values: Sequence[float]) -> tuple[float, float]:
    """Give median and 99th percentile."""
    return statistics.median(values), statistics.quantiles(values, n=100)[98]


# ---------------------------------------------------------------- a steady stream


async def steady(shop: Shop, seconds: float) -> tuple[list[float], list[float]]:
    """Post 50 messages a second from many visitors, whatever comes back; milliseconds to acknowledgement and answer."""
    visitors = [shop.tokens.issue() for _ in range(RATE)]
    acknowledged: list[float] = []
    answered: list[float] = []

    async def write(number: int) -> None:
        visitor = visitors[number % len(visitors)]
        bells = shop.opened.live.subscribe([shopper_topic(shop.account, visitor.visitor_id)])
        begin = time.perf_counter()
        await shop.post(visitor.token, number)
        acknowledged.append(1000 * (time.perf_counter() - begin))
        while (await anext(bells)).kind != "message":
            pass
        answered.append(1000 * (time.perf_counter() - begin))

    begin = time.perf_counter()
    tasks = []
    for number in range(int(RATE * seconds)):
        await asyncio.sleep(max(0.0, begin + number / RATE - time.perf_counter()))
        tasks.append(asyncio.create_task(write(number)))
    await asyncio.gather(*tasks)
    return acknowledged[RATE:], answered[RATE:]


async def idle(seconds: float) -> float:
    """Give the share of a core that an open house uses while nobody writes, in percent."""
    await asyncio.sleep(1)
    before, begin = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    return 100 * (time.process_time() - before) / (time.perf_counter() - begin)


# ---------------------------------------------------------------- what a turn costs


async def batch(shop: Shop, token: str, first: int) -> float:
    """Take some turns one after the other; give the processor's milliseconds a turn, of all threads."""
    before = time.process_time()
    for number in range(first, first + BATCH):
        shop.committed.clear()
        await shop.post(token, number)
        await shop.committed.wait()
        await shop.opened.dispatcher.settle()
    return 1000 * (time.process_time() - before) / BATCH


async def cost_when_full(empty: Shop, full: Shop, batches: int) -> float:
    """Compare a turn in a full database with one in an empty one, taking turns; above 1: dearer."""
    costs: dict[int, list[float]] = {0: [], 1: []}
    for round_number in range(batches + 2):
        for side, shop in enumerate((empty, full)):
            spent = await batch(shop, shop.tokens.issue().token, round_number * BATCH)
            if round_number >= 2:  # the first rounds fill caches
                costs[side].append(spent)
    return statistics.median(costs[1]) / statistics.median(costs[0])


async def cost_when_long(shop: Shop, conversations: int) -> float:
    """Compare the turns around the 300th of one conversation with those around the 10th; above 1: dearer."""
    early, late = [], []
    for _ in range(conversations):
        token = shop.tokens.issue().token
        costs = [await batch(shop, token, number * BATCH) for number in range(22)]
        early.append(costs[0])
        late += costs[21:]
    return statistics.median(late) / statistics.median(early)


def fill(database: Path, customers: int, messages: int) -> None:
    """Write customers with answered messages straight into the tables; half of the messages are the bot's."""
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(sep=" ")
    each = messages // customers // 2
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA synchronous=OFF")
    for start in range(0, customers, 1000):
        ids = [(new_id(), new_id(), new_id()) for _ in range(start, min(start + 1000, customers))]
        connection.executemany(
            "INSERT INTO customers (id, display_name, messages_allowed, created_at) VALUES (?, '', 1, ?)",
            [(customer, now) for customer, _, _ in ids],
        )
        connection.executemany(
            "INSERT INTO identities (id, customer_id, channel, account, channel_user_id, display_name, created_at) "
            "VALUES (?, ?, 'web', 'shop', ?, '', ?)",
            [(identity, customer, identity, now) for customer, identity, _ in ids],
        )
        connection.executemany(
            "INSERT INTO conversations (id, customer_id, identity_id, owner, epoch, locale, tracker, tracker_seq, "
            "handoff_reason, handoff_summary, handoff_priority, last_text, last_sender, opened_at, updated_at) "
            "VALUES (?, ?, ?, 'with_bot', 0, 'zh', '{}', 0, '', '', '', '', '', ?, ?)",
            [(conversation, customer, identity, now, now) for customer, identity, conversation in ids],
        )
        for conversation in (row[2] for row in ids):
            _fill_conversation(connection, conversation, each, now)
        connection.commit()
    connection.execute("ANALYZE")
    connection.close()


def _fill_conversation(connection: sqlite3.Connection, conversation: str, each: int, now: str) -> None:
    last = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0]
    connection.executemany(
        "INSERT INTO events (seq, conversation_id, kind, at, data) VALUES (?, ?, ?, ?, ?)",
        [
            (last + 2 * number + side, conversation, kind, now, '{"text":"退款一般多久到账"}')
            for number in range(each)
            for side, kind in ((1, "customer_uttered"), (2, "bot_uttered"))
        ],
    )
    connection.executemany(
        "INSERT INTO inbox (channel, account, dedupe_key, conversation_id, message, received_at, done_at) "
        "VALUES ('web', 'shop', ?, ?, '{}', ?, ?)",
        [(f"{conversation}:{number}", conversation, now, now) for number in range(each)],
    )
    connection.executemany(
        "INSERT INTO outbox (conversation_id, event_seq, sender, epoch, message, state, tries, due_at, reason, "
        "platform_id, created_at, done_at) VALUES (?, ?, 'bot', 0, '{}', 'sent', 1, ?, '', '', ?, ?)",
        [(conversation, last + 2 * number + 2, now, now, now) for number in range(each)],
    )


# ---------------------------------------------------------------- all together


@asynccontextmanager
async def full_shop(folder: Path, options: argparse.Namespace) -> AsyncIterator[Shop]:
    """Open a shop whose database is full; its model is the neighbour's."""
    shutil.copytree(folder.parent / "empty" / "model", folder / "model")
    async with fresh_shop(folder):
        pass
    begin = time.perf_counter()
    await asyncio.to_thread(fill, folder / "bench.db", options.customers, options.messages)
    print(f"filled with {options.messages} messages in {time.perf_counter() - begin:.0f} s", flush=True)
    async with lean_shop(folder) as shop:
        yield shop


async def measure(options: argparse.Namespace) -> list[Row]:
    """Run everything."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        shop = await stack.enter_async_context(lean_shop(folder / "empty"))
        await batch(shop, shop.tokens.issue().token, 0)
        rows = list(_idle_rows(await idle(options.seconds)))
        before = time.process_time()
        rate = await together(shop, options.load, options.shoppers)
        spent_ms = 1000 * (time.process_time() - before) / options.load
        rows += _stream_rows(*await steady(shop, options.seconds + 1))
        rows.append(Row("sustained whole turns a second", ">= 250", f"{rate:.0f}", rate >= 250))
        rows.append(Row("processor time of such a turn, all threads", "", f"{spent_ms:.1f} ms", None))
        rows += [Row(*row) for row in await beside(rate, options.shoppers)]
        long = await cost_when_long(shop, options.long)
        rows.append(Row("cost of the 300th turn against the 10th", "<= 1.2 times", f"{long:.2f} times", long <= 1.2))
        if options.messages:
            full = await stack.enter_async_context(full_shop(folder / "full", options))
            dearer = await cost_when_full(shop, full, options.batches)
            what = f"cost of a turn with {options.messages:,} messages, {options.customers:,} customers, against none"
            rows.append(Row(what, "<= 1.3 times", f"{dearer:.2f} times", dearer <= 1.3))
    return rows


def _idle_rows(share: float) -> Iterator[Row]:
    yield Row("processor while idle", "<= 1 % of a core", f"{share:.2f} %", share <= 1)


def _stream_rows(acknowledged: list[float], answered: list[float]) -> Iterator[Row]:
    for what, values, most in (
        (f"webhook acknowledged, {RATE}/s", acknowledged, (5.0, 40.0)),
        (f"whole turn, {RATE}/s", answered, (25.0, 150.0)),
    ):
        half, worst = quantiles(values)
        bar = f"p50 <= {most[0]:.0f} ms, p99 <= {most[1]:.0f} ms"
        met = half <= most[0] and worst <= most[1]
        yield Row(what, bar, f"p50 {half:.1f} ms, p99 {worst:.1f} ms", met)


def page(rows: Sequence[Row], load_before: float) -> str:
    """Write the section of docs/benchmarks.md."""
    cores = len(os.sched_getaffinity(0))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    machine = (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, {cores} cores, "
        f"Python {platform.python_version()}; load of the machine {load_before:.1f} before and "
        f"{os.getloadavg()[0]:.1f} at the end (0 is a quiet one); {memory} MB resident at most. `make bench-pipeline`."
    )
    lines = [
        "## The message line, embedded",
        "",
        machine,
        "",
        "| what | bar | measured | met |",
        "|---|---|---|---|",
    ]
    words = {True: "yes", False: "no", None: ""}
    lines += [f"| {row.what} | {row.bar} | {row.measured} | {words[row.met]} |" for row in rows]
    return "\n".join(lines)


def keep(section: str) -> None:
    """Put the section into docs/benchmarks.md, in place of the last run's."""
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else "# Benchmarks\n"
    if BEGIN not in old:
        old = f"{old.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, _, rest = old.partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n{section}\n{END}{after}", encoding="utf-8")


def main() -> None:
    """Read the options, measure, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="how long the steady stream and the idling last")
    parser.add_argument("--load", type=int, default=3000, help="turns with many shoppers at once")
    parser.add_argument("--shoppers", type=int, default=32, help="how many shoppers at once")
    parser.add_argument("--messages", type=int, default=1_000_000, help="messages in the full database; 0: skip")
    parser.add_argument("--customers", type=int, default=100_000, help="customers in the full database")
    parser.add_argument("--batches", type=int, default=12, help="batches of turns on either side")
    parser.add_argument("--long", type=int, default=3, help="conversations of 300 turns")
    parser.add_argument("--keep", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    logging.disable(logging.INFO)
    load_before = os.getloadavg()[0]
    section = page(asyncio.run(measure(options)), load_before)
    print(section)
    if options.keep:
        keep(section)


if __name__ == "__main__":
    main()
