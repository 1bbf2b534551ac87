"""The house is killed at every boundary, twice, on both databases: nothing is lost and nothing is doubled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from multiprocessing.process import BaseProcess
from typing import Any

import pytest
from sqlalchemy import func, select

from bot.domain.events import BotUttered, CustomerUttered, TicketOpened
from bot.engine.boundaries import Boundary
from bot.simulators.telegram.server import TelegramServer
from storage.database import Database
from storage.tables import CONVERSATIONS, EVENTS, INBOX, OUTBOX, TICKETS
from tests.durability.child import Arming, Place, nursery, run
from tests.durability.platforms import OnTelegram, OnTheWeb, Platform, served_telegram
from tests.ports import free_port

SAYS = ("你好", "退款多久到账", "转人工")
_PATIENCE_S = 120.0
_LOOK_S = 0.02
_MAYBE_SENT = frozenset(
    {Boundary.AFTER_SENDING_COMMIT, Boundary.BEFORE_SEND, Boundary.AFTER_SEND, Boundary.BEFORE_MARK_COMMIT}
)
_SURELY_SENT = frozenset({Boundary.AFTER_SEND, Boundary.BEFORE_MARK_COMMIT})
_NEVER_ON_THE_WEB = frozenset(
    {
        Boundary.BEFORE_SENDING_COMMIT,
        Boundary.AFTER_SENDING_COMMIT,
        Boundary.BEFORE_MARK_COMMIT,
        Boundary.AFTER_MARK_COMMIT,
    }
)


class Watchman:
    """Starts the house, and starts it again when it was killed."""

    def __init__(self, place: Place, armings: list[Arming]) -> None:
        self.killed = 0
        self._place = place
        self._armings = armings
        self._process: BaseProcess | None = None

    def look(self) -> None:
        """Start the house unless it runs."""
        if self._process is not None and self._process.is_alive():
            return
        if self._process is not None:
            assert self._process.exitcode == -9, f"the house ended by itself with {self._process.exitcode}"
            self.killed += 1
        arming = self._armings.pop(0) if self._armings else Arming()
        self._process = nursery().Process(target=run, args=(self._place, arming), daemon=True)
        self._process.start()

    def stop(self) -> None:
        """End the house."""
        if self._process is not None:
            self._process.terminate()
            self._process.join(_PATIENCE_S)
            assert self._process.exitcode is not None


class Record:
    """What the database holds."""

    def __init__(self, url: str) -> None:
        self._database = Database(url)

    def close(self) -> None:
        """Let go."""
        self._database.close()

    async def rows(self, table: Any) -> list[dict[str, Any]]:
        """List a table's rows by age."""
        statement = select(table).order_by(*table.primary_key.columns)
        return await self._database.read(lambda on: [dict(row) for row in on.execute(statement).mappings()])

    async def is_settled(self, messages: int) -> bool:
        """Tell whether this many messages came in and nothing is left to do."""
        came = select(func.count()).select_from(INBOX)
        left = [select(func.count()).select_from(table).where(table.c.done_at.is_(None)) for table in (INBOX, OUTBOX)]
        counts = await self._database.read(lambda on: [on.execute(each).scalar_one() for each in (came, *left)])
        return counts == [messages, 0, 0]

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """List the data of the events of a kind."""
        return [row["data"] for row in await self.rows(EVENTS) if row["kind"] == kind]


@pytest.fixture(scope="module")
def telegram() -> Iterator[tuple[TelegramServer, str]]:
    """Serve one Telegram for all tests."""
    with served_telegram() as served:
        yield served


async def _talk(platform: Platform, watchman: Watchman, record: Record) -> None:
    """Say everything; each message is delivered until it is taken, answered, then delivered once more."""
    for number, text in enumerate(SAYS, start=1):
        watchman.look()
        deadline = time.monotonic() + _PATIENCE_S
        taken = await platform.deliver(text)
        while not taken or not await record.is_settled(number):
            assert time.monotonic() < deadline, f"message {number} was not answered in time"
            watchman.look()
            await asyncio.sleep(_LOOK_S)
            if not taken:
                taken = await platform.deliver_again()
        again = False
        while not again:
            watchman.look()
            again = await platform.deliver_again()
            await asyncio.sleep(0 if again else _LOOK_S)


async def _check_record(record: Record) -> list[str]:
    """Each message once and in order, one answer each, one ticket; gives the answers."""
    assert [said["text"] for said in await record.events(CustomerUttered.kind)] == list(SAYS)
    assert len(await record.rows(INBOX)) == len(SAYS)
    answers = [said["text"] for said in await record.events(BotUttered.kind)]
    keys = [said["reply_key"].partition(".")[0] for said in await record.events(BotUttered.kind)]
    assert keys == ["greet", "faq", "request_human"]
    assert len(await record.rows(TICKETS)) == 1
    assert len(await record.events(TicketOpened.kind)) == 1
    assert len(await record.rows(CONVERSATIONS)) == 1
    outbox = await record.rows(OUTBOX)
    assert [row["message"]["text"] for row in outbox] == answers
    return answers


def _twice(boundary: Boundary) -> list[Arming]:
    """Die in the first turn, and after the restart in the third, which opens the ticket."""
    return [Arming(boundary, 1), Arming(boundary, 3 if boundary is Boundary.BEFORE_INBOX_COMMIT else 2)]


@pytest.mark.parametrize("boundary", list(Boundary))
async def test_killed_at_a_boundary_on_telegram_loses_and_doubles_nothing(
    boundary: Boundary, database_url: str, telegram: tuple[TelegramServer, str]
):
    """What may have been sent is flagged and not repeated: Telegram has no idempotency key."""
    server, address = telegram
    place = Place(database_url, free_port(), address)
    server.sent.clear()
    watchman, record = Watchman(place, _twice(boundary)), Record(database_url)
    platform = OnTelegram(server, place.port)
    try:
        await _talk(platform, watchman, record)
        answers = await _check_record(record)
        states = [row["state"] for row in await record.rows(OUTBOX)]
        screen = await platform.screen()
    finally:
        await platform.close()
        watchman.stop()
        record.close()
    assert watchman.killed == 2
    assert states.count("unclear") == (2 if boundary in _MAYBE_SENT else 0), states
    assert set(states) <= {"sent", "unclear"}
    arrived = [text for text, state in zip(answers, states, strict=True) if state == "sent" or boundary in _SURELY_SENT]
    assert screen == arrived


@pytest.mark.parametrize("boundary", [each for each in Boundary if each not in _NEVER_ON_THE_WEB])
async def test_killed_at_a_boundary_on_the_web_loses_and_doubles_nothing(
    boundary: Boundary, database_url: str, telegram: tuple[TelegramServer, str]
):
    """On the web the record is the delivery: every answer arrives once, and nothing is unclear."""
    place = Place(database_url, free_port(), telegram[1])
    watchman, record = Watchman(place, _twice(boundary)), Record(database_url)
    platform = OnTheWeb(place.port)
    try:
        await _talk(platform, watchman, record)
        answers = await _check_record(record)
        assert {row["state"] for row in await record.rows(OUTBOX)} == {"sent"}
        assert await platform.screen() == answers
    finally:
        await platform.close()
        watchman.stop()
        record.close()
    assert watchman.killed == 2
