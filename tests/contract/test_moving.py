"""Moving house: everything arrives, a move that was broken off goes on, and nothing is overwritten."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text, update

from bot.domain.clock import SystemClock
from bot.domain.errors import StorageError
from bot.domain.ids import OutboxId
from bot.domain.line_ports import PartsRecord
from storage import moving
from storage.database import Database, make_engine
from storage.moving import move
from storage.tables import CONVERSATIONS, EVENTS, INBOX, ORDERS, OUTBOX, OUTBOX_PARTS
from tests.contract.line import NOW, Line, sender

pytestmark = pytest.mark.postgresql
SHOPPERS = 30


@pytest.fixture
async def lived_in(sqlite_url: str) -> str:
    """Give an SQLite database with conversations, some of them half done, and an order."""
    database = Database(sqlite_url)
    line = Line(database)
    await line.hire("mei")
    for number in range(SHOPPERS):
        await line.answered(f"k{number}", sender(f"visitor-{number}\U0001f600"))
    await line.accept("waiting", who=sender("late"))
    half, whole = sorted(row["id"] for row in await line.rows(OUTBOX))[:2]
    await line.outbox.mark_deferred(OutboxId(half), NOW, "502", PartsRecord(2, {0: "a", 1: "b"}))
    await line.outbox.mark_sent(OutboxId(whole), NOW, "d", PartsRecord(2, {0: "c", 1: "d"}))
    order = {
        "number": "W1",
        "state": "shipped",
        "placed_at": SystemClock().now(),
        "total": Decimal("199.90"),
        "currency": "CNY",
        "phone_last4": "0001",
        "imported_at": SystemClock().now(),
    }
    await database.run(lambda on: on.execute(insert(ORDERS), order) and None)
    database.close()
    return sqlite_url


async def test_everything_arrives_and_the_line_goes_on(lived_in: str, postgresql_url: str):
    """Counts are told per table; what was waiting is answered there, with new numbers behind the old ones."""
    seen: list[tuple[str, int, int]] = []
    moved = {table.name: table for table in move(lived_in, postgresql_url, lambda *far: seen.append(far))}
    assert moved["conversations"].rows == SHOPPERS + 1
    assert moved["inbox"].rows == SHOPPERS + 1
    assert ("conversations", SHOPPERS + 1, SHOPPERS + 1) in seen
    database = Database(postgresql_url)
    line = Line(database)
    (left,) = {row["conversation_id"] for row in await line.rows(INBOX) if row["done_at"] is None}
    before = max(row["seq"] for row in await line.rows(EVENTS))
    await line.commit(await line.pending(left), "您好")
    assert min(row["seq"] for row in await line.rows(EVENTS) if row["conversation_id"] == left) > before
    assert await line.accept("next", who=sender("late")) == left
    taken = {row["parts_taken"] for row in await line.rows(OUTBOX)}
    parts = [(row["outbox_id"], row["number"], row["platform_id"]) for row in await line.rows(OUTBOX_PARTS)]
    assert (taken, sorted(parts)) == ({0, 2}, [(1, 0, "a"), (1, 1, "b"), (2, 0, "c"), (2, 1, "d")])
    assert moved["outbox_parts"].rows == len(parts)
    (order,) = await line.rows(ORDERS)
    assert str(order["total"]) == "199.90"
    database.close()


def test_broken_off_move_goes_on_where_it_stopped(lived_in: str, postgresql_url: str, monkeypatch: pytest.MonkeyPatch):
    """Broken off in the middle of a table; the second try copies only the rest."""
    monkeypatch.setattr(moving, "_PAGE_ROWS", 7)

    def break_off(table: str, done: int, _total: int) -> None:
        if table == "events" and done >= 14:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        move(lived_in, postgresql_url, break_off)
    begun: dict[str, int] = {}
    moved = move(lived_in, postgresql_url, lambda table, done, _total: begun.setdefault(table, done) and None)
    assert begun["conversations"] == SHOPPERS + 1
    assert begun["events"] == 14
    assert {table.name: table.rows for table in moved}["events"] == count(lived_in, EVENTS)


def test_move_refuses_a_target_that_is_lived_in(lived_in: str, postgresql_url: str):
    """A second move, and one onto somebody's data, change nothing."""
    move(lived_in, postgresql_url, lambda *_: None)
    with pytest.raises(StorageError, match="holds rows already"):
        move(lived_in, postgresql_url, lambda *_: None)
    assert count(postgresql_url, CONVERSATIONS) == SHOPPERS + 1


@pytest.mark.parametrize("other", [{"reason": "other"}, {"parts_taken": 1}])
def test_move_tells_a_difference(lived_in: str, postgresql_url: str, other: dict[str, object]):
    """A row that changed on the way is found by its checksum; a wrong count of parts would send one twice, or never."""

    def meddle(table: str, done: int, total: int) -> None:
        if table == "ticket_notes" and done == total:
            engine = make_engine(postgresql_url)
            with engine.begin() as connection:
                connection.execute(update(OUTBOX).where(OUTBOX.c.id == 1).values(other))
            engine.dispose()

    with pytest.raises(StorageError, match="table outbox differs"):
        move(lived_in, postgresql_url, meddle)


def test_move_locks_the_source_against_writers(lived_in: str, postgresql_url: str):
    """Nobody writes to what is being copied."""
    problems: list[str] = []

    def write(table: str, _done: int, _total: int) -> None:
        if table != "customers" or problems:
            return
        engine = make_engine(lived_in)
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA busy_timeout=50")
            try:
                connection.execute(text("UPDATE customers SET display_name = 'x'"))
            except Exception as problem:  # noqa: BLE001 - what it is, is asserted
                problems.append(str(problem))
        engine.dispose()

    move(lived_in, postgresql_url, write)
    assert any("locked" in problem for problem in problems)


def count(url: str, table: Any) -> int:
    """Count a table's rows."""
    engine = make_engine(url)
    with engine.connect() as connection:
        rows = len(connection.execute(select(table)).all())
    engine.dispose()
    return rows


def test_tables_are_moved_in_an_order_that_references_permit():
    """Outbox rows after their events; nothing is left out."""
    names = [table.name for table in moving.Base.metadata.sorted_tables]
    assert names.index(EVENTS.name) < names.index(OUTBOX.name)
    assert Path(moving.__file__).exists()
