"""Measure sustained turns a second over PostgreSQL, Redis and two workers on this machine's cores.

Servers from wheels, PostgreSQL with fsync and synchronous commits on, the real recogniser in each worker, the quiet
time set to 0. A web process takes messages in (commit included) and rings; each shopper writes again once the record
holds an answer to what he wrote. Run it on a quiet machine: `make bench-scaled`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import tempfile
import time
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import psycopg
import uvloop

from bot.app import House, demo_orders, import_orders, open_house, open_worker
from bot.channels.web.adapter import shopper_topic
from bot.commands import preparing
from bot.config import Config, DatabaseSection, RedisSection, Secrets, Turns
from bot.domain.clock import SystemClock
from bot.domain.messages import InboundMessage, MessageKind, Sender
from tests.postgresql import PostgresqlServer
from tests.redis_server import RedisServer

MESSAGES = (
    "退款一般多久到账",
    "where is my parcel",
    "{order}",
    "0001",
    "谢谢",
    "几点有人工客服",
    "ship to Hong Kong?",
)
ACCOUNT = "bench"
LATE_S = 30.0
READY_WITHIN_S = 90.0


def order_of(shopper: int) -> str:
    """Name a shopper's own order: proving one and the same would make them all one customer."""
    return f"W{3_000_000 + shopper}"


async def import_own_orders(house: House, shoppers: range) -> None:
    """Give each shopper an order like the demo's first, whose telephone ends in 0001."""
    like = next(order for order in demo_orders(house.clock) if order.phone_last4 == "0001")
    orders = [replace(like, number=order_of(each)) for each in shoppers]
    await import_orders(house.stores, orders, house.clock, lambda _: None)


def work(config: Config, secrets: Secrets, ready: object) -> None:
    """Be a worker."""
    uvloop.run(_work(config, secrets, ready))


async def _work(config: Config, secrets: Secrets, ready: object) -> None:
    async with open_worker(config, secrets, SystemClock()):
        ready.release()  # type: ignore[attr-defined]
        await asyncio.Event().wait()


async def visit(house: House, shopper: int, turns: int, waits: tuple[list[float], list[float]]) -> None:
    """Write ``turns`` messages, each after the answer to the one before."""
    sender = Sender("web", ACCOUNT, f"visitor-{shopper}")
    bells = house.live.subscribe([shopper_topic(ACCOUNT, sender.channel_user_id)])
    acknowledged, answered = waits
    for number in range(turns):
        text = MESSAGES[number % len(MESSAGES)].format(order=order_of(shopper))
        message = InboundMessage(sender, f"{shopper}-{number}", MessageKind.TEXT, house.clock.now(), text)
        begin = time.perf_counter()
        await house.intake.accept([message])
        acknowledged.append(1000 * (time.perf_counter() - begin))
        async with asyncio.timeout(LATE_S):
            while (await anext(bells)).kind != "message":
                pass
        answered.append(1000 * (time.perf_counter() - begin))


class Tally:
    """What the database was asked to do so far, by all processes; asking is not counted."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url.replace("+psycopg", ""), autocommit=True)
        self._connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")

    def counts(self) -> dict[str, int]:
        """Count statements (BEGIN and COMMIT too), transactions that wrote, and syncs of the log."""
        found = self._connection.execute(
            """SELECT (SELECT coalesce(sum(calls), 0) FROM pg_stat_statements
                        WHERE query NOT LIKE '%pg_stat_statements%' AND dbid = (
                              SELECT oid FROM pg_database WHERE datname = current_database())),
                      pg_snapshot_xmax(pg_current_snapshot())::text::bigint,
                      (SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal')"""
        ).fetchone()
        return dict(zip(("statements", "commits", "syncs of the log"), map(int, found or ()), strict=True))

    def top(self, turns: int) -> list[str]:
        """List the statements given most often."""
        rows = self._connection.execute(
            """SELECT calls, regexp_replace(query, '\\s+', ' ', 'g') FROM pg_stat_statements
                WHERE query NOT LIKE '%pg_stat_statements%' ORDER BY calls DESC LIMIT 40"""
        )
        return [f"{calls / turns:7.2f}  {query[:150]}" for calls, query in rows]

    def forget(self) -> None:
        """Start again from zero."""
        self._connection.execute("SELECT pg_stat_statements_reset()")


async def measure(
    config: Config, secrets: Secrets, options: argparse.Namespace, parts: dict[str, list[int]], tally: Tally
) -> None:
    """Let the shoppers talk, first to warm up; ``parts`` are processes by name."""
    async with open_house(config, secrets, SystemClock()) as house:
        await house.live.ready()  # type: ignore[attr-defined]
        await import_own_orders(house, range(-options.shoppers, options.shoppers))
        await asyncio.gather(*(visit(house, -1 - each, 5, ([], [])) for each in range(options.shoppers)))
        waits: tuple[list[float], list[float]] = ([], [])
        turns = options.load // options.shoppers
        before = {name: cpu_s(*pids) for name, pids in parts.items()}
        tally.forget()
        asked = tally.counts()
        web = time.process_time()
        begin = time.perf_counter()
        await asyncio.gather(*(visit(house, each, turns, waits) for each in range(options.shoppers)))
        seconds = time.perf_counter() - begin
        spent = {"web": time.process_time() - web}
        spent |= {name: cpu_s(*pids) - before[name] for name, pids in parts.items()}
    done = len(waits[1])
    show(options, waits, done / seconds)
    costs = {name: 1000 * used / done for name, used in spent.items()}
    each = ", ".join(f"{name} {cost:.1f}" for name, cost in costs.items())
    print(f"processor time a turn: {sum(costs.values()):.1f} ms ({each})")
    print(f"{'turns a second that use up two cores':46}{2000 / sum(costs.values()):9.0f}")
    now = tally.counts()
    print("of the database a turn: " + ", ".join(f"{(now[name] - asked[name]) / done:.1f} {name}" for name in now))
    if options.statements:
        print("\n".join(tally.top(done)))


def cpu_s(*roots: int) -> float:
    """Add up the processor seconds of processes and their children, so far."""
    parents: dict[int, int] = {}
    used: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(stat.parent.name)
        parents[pid] = int(fields[1])
        used[pid] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return sum(used.get(pid, 0) for pid in used if pid in roots or parents[pid] in roots)


def show(options: argparse.Namespace, waits: tuple[list[float], list[float]], rate: float) -> None:
    """Print the table."""
    print(
        f"\n{platform.system()} {platform.machine()}, {len(os.sched_getaffinity(0))} cores, "
        f"Python {platform.python_version()}, load at the end {os.getloadavg()[0]:.1f}, {options.workers} workers"
    )
    print(f"{'':46}{'median':>9}{'p95':>9}{'p99':>9}   ms")
    for name, values in zip(("accept (commit and bell)", "message in to answer seen"), waits, strict=True):
        cuts = statistics.quantiles(values, n=100)
        print(f"{name:46}{statistics.median(values):9.1f}{cuts[94]:9.1f}{cuts[98]:9.1f}")
    print(f"{f'whole turns a second, {options.shoppers} shoppers at once':46}{rate:9.0f}")


def run(options: argparse.Namespace) -> None:
    """Start servers and workers, measure, stop them."""
    context = get_context("spawn")
    workers: list[BaseProcess] = []
    postgresql, redis = PostgresqlServer(durable=True, synced=True, counting=True), RedisServer()
    try:
        postgresql.start()
        redis.start()
        with tempfile.TemporaryDirectory() as folder:
            config = Config(
                data_dir=options.data_dir or Path(folder),
                database=DatabaseSection(url=postgresql.create("bench")),
                redis=RedisSection(url=redis.url),
                turns=Turns(quiet_time_s=0),
            )
            secrets = preparing.prepare_worker(config, Secrets())
            preparing.prepare(config, secrets, demo=True)
            ready = context.Semaphore(0)
            for _ in range(options.workers):
                workers.append(context.Process(target=work, args=(config, secrets, ready), daemon=True))
                workers[-1].start()
            for _ in workers:
                if not ready.acquire(timeout=READY_WITHIN_S):
                    raise TimeoutError("a worker did not get ready")
            parts = {
                "workers": [worker.pid or 0 for worker in workers],
                "PostgreSQL": [postgresql.pid],
                "Redis": [redis.pid],
            }
            uvloop.run(measure(config, secrets, options, parts, Tally(config.database.url)))
            for worker in workers:
                worker.kill()
                worker.join()
    finally:
        redis.close()
        postgresql.close()


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--load", type=int, default=3000, help="turns altogether")
    parser.add_argument("--shoppers", type=int, default=32, help="how many shoppers at once")
    parser.add_argument("--workers", type=int, default=2, help="how many workers")
    parser.add_argument("--statements", action="store_true", help="list the statements given most often")
    parser.add_argument("--data-dir", type=Path, help="where a trained model lies or is to be kept")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
