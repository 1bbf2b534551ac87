"""Servers and workers of the tests, each of which may be killed, and what the database must hold at the end."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Event
from random import Random

from sqlalchemy import func, select

from bot.app import House
from bot.config import Config
from bot.domain.errors import StorageError
from bot.domain.messages import InboundMessage, MessageKind, Sender
from storage.database import Database
from storage.schema import migrate
from storage.tables import CONVERSATIONS, EVENTS, IDENTITIES, INBOX, OUTBOX
from tests.integration.scaled.worker import configure, nursery, run
from tests.postgresql import PostgresqlServer
from tests.redis_server import RedisServer

PATIENCE_S = 150.0
_AT_ONCE_S = 0.9
"""Less than any sweep takes to find a message."""
_DATABASE = "scaled"
_CHANCE = Random(4)  # noqa: S311 - the same pauses every time
_NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


class Fleet:
    """A PostgreSQL, a Redis and two workers."""

    def __init__(self, workers: int = 2, work: Callable[..., None] = run, more: tuple[str, ...] = ()) -> None:
        """Lay out; ``start`` starts everything. Workers call ``work``: an event, both addresses, ``more``."""
        self.postgresql = PostgresqlServer(durable=True)
        self.redis = RedisServer()
        self.workers: list[BaseProcess] = []
        self._ready: list[Event] = []
        self._wanted = workers
        self._work = work
        self._more = more
        self.url = ""

    @property
    def config(self) -> Config:
        """Give the configuration of every process."""
        return configure(self.url, self.redis.url)

    def start(self) -> None:
        """Start everything, and see that the workers are at work."""
        self.postgresql.start()
        self.redis.start()
        self.url = self.postgresql.create(_DATABASE)
        migrate(self.url)
        for _ in range(self._wanted):
            self.start_worker()
        assert all(ready.wait(PATIENCE_S) for ready in self._ready), "a worker did not start"

    def start_worker(self) -> None:
        """Start another worker, which says by its event that it is at work."""
        ready = nursery().Event()
        self._ready.append(ready)
        given = (ready, self.url, self.redis.url, *self._more)
        worker = nursery().Process(target=self._work, args=given, daemon=True)
        worker.start()
        self.workers.append(worker)

    def kill_worker(self) -> None:
        """Kill the oldest worker without any chance to tidy up."""
        worker = self.workers.pop(0)
        worker.kill()
        worker.join()

    def close(self) -> None:
        """Stop everything."""
        for worker in self.workers:
            worker.terminate()
        for worker in self.workers:
            worker.join(20)
            worker.kill()
        self.redis.close()
        self.postgresql.close()


def message(shopper: int, number: int) -> InboundMessage:
    """Make a shopper's message, the same each time."""
    sender = Sender("web", "main", f"visitor-{shopper}")
    return InboundMessage(sender, f"{shopper}-{number}", MessageKind.TEXT, _NOW, f"你好 {number}")


async def deliver(house: House, shopper: int, number: int) -> None:
    """Deliver a message as a platform does: again until it is taken, and now and then once too often."""
    deadline = time.monotonic() + PATIENCE_S
    times = 2 if _CHANCE.random() < 0.2 else 1
    while times:
        try:
            await house.intake.accept([message(shopper, number)])
            times -= 1
        except StorageError:
            assert time.monotonic() < deadline, "the database did not come back"
            await asyncio.sleep(0.2)


async def answered_at_once(house: House, number: int) -> int:
    """Deliver a shopper's messages from ``number`` on until one is answered sooner than a sweep can have found it.

    A busy machine may be late with some of them. Gives the number after the last.
    """
    deadline, took_s = time.monotonic() + PATIENCE_S, PATIENCE_S
    while took_s > _AT_ONCE_S:
        assert time.monotonic() < deadline, "no bell was answered at once"
        begin = time.monotonic()
        await deliver(house, 0, number)
        number += 1
        await settled(house.stores.database, number)
        took_s = time.monotonic() - begin
    return number


async def talk(house: House, shoppers: int, messages: int, pause_s: float) -> None:
    """Let every shopper write his messages, one after the other, side by side with the others."""

    async def visit(shopper: int) -> None:
        for number in range(messages):
            await deliver(house, shopper, number)
            await asyncio.sleep(pause_s * _CHANCE.random() * 2)

    await asyncio.gather(*(visit(shopper) for shopper in range(shoppers)))


async def settled(database: Database, messages: int) -> None:
    """Wait until all messages are in and nothing is left to do."""
    came = select(func.count()).select_from(INBOX)
    left = [select(func.count()).select_from(table).where(table.c.done_at.is_(None)) for table in (INBOX, OUTBOX)]
    deadline = time.monotonic() + PATIENCE_S
    counts: list[int] = []
    while time.monotonic() < deadline:
        try:
            counts = await database.read(lambda on: [on.execute(each).scalar_one() for each in (came, *left)])
        except StorageError:
            counts = []
        if counts == [messages, 0, 0]:
            return
        await asyncio.sleep(0.1)
    raise AssertionError(f"messages, pending inbox, pending outbox: {counts}, wanted {[messages, 0, 0]}")


async def check_record(database: Database, shoppers: int, messages: int) -> None:
    """Check that every message is on record once and in order, that all were answered, and every answer sent once."""
    events = await database.read(lambda on: [dict(row) for row in on.execute(_EVENTS).mappings()])
    rows = await database.read(lambda on: [dict(row) for row in on.execute(select(OUTBOX)).mappings()])
    talks: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for event in events:
        talks[event["channel_user_id"]].append((event["kind"], event["data"].get("text", "")))
    assert len(talks) == shoppers
    for visitor, said in talks.items():
        texts = [text for kind, text in said if kind == "customer_uttered"]
        assert texts == [f"你好 {number}" for number in range(messages)], visitor
        assert said[-1][0] == "bot_uttered", visitor
        assert sum(kind == "bot_uttered" for kind, _ in said) <= messages, visitor
    answers = [event["seq"] for event in events if event["kind"] == "bot_uttered"]
    assert sorted(row["event_seq"] for row in rows) == sorted(answers)
    assert {row["state"] for row in rows} == {"sent"}
    assert {row["tries"] for row in rows} == {1}


_EVENTS = (
    select(EVENTS.c.seq, EVENTS.c.kind, EVENTS.c.data, IDENTITIES.c.channel_user_id)
    .join(CONVERSATIONS, CONVERSATIONS.c.id == EVENTS.c.conversation_id)
    .join(IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id)
    .order_by(EVENTS.c.seq)
)
