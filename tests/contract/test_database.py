"""Units of work commit whole, alone or in company, and a killed process leaves nothing half."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Connection, event, insert, select, text
from sqlalchemy.exc import IntegrityError

from bot.domain.errors import Conflict, StorageError
from storage.database import Database
from storage.schema import migrate
from storage.tables import CUSTOMERS, EVENTS, INBOX, ORDERS, OUTBOX
from storage.types import clean_text, dump_json
from tests.contract.line import NOW, Line

_ROOT = Path(__file__).parents[2]


def _add(name: str, at: datetime = NOW) -> Callable[[Connection], str]:
    def unit(connection: Connection) -> str:
        connection.execute(insert(CUSTOMERS), {"id": name, "display_name": name, "created_at": at})
        if name.startswith("bad"):
            raise Conflict(name)
        return name

    return unit


async def _names(database: Database) -> list[str]:
    return await database.read(
        lambda connection: list(connection.execute(select(CUSTOMERS.c.id).order_by(CUSTOMERS.c.id)).scalars())
    )


async def test_run_failed_unit_takes_nobody_with_it(database: Database):
    """Of many units at once, those that fail are undone and the others stay."""
    names = [f"{'bad' if number % 3 == 0 else 'good'}{number:02}" for number in range(40)]
    ends = await asyncio.gather(*(database.run(_add(name)) for name in names), return_exceptions=True)
    for name, end in zip(names, ends, strict=True):
        assert isinstance(end, Conflict) if name.startswith("bad") else end == name
    assert await _names(database) == sorted(name for name in names if name.startswith("good"))


async def test_run_is_committed_when_it_returns(database: Database, database_url: str):
    """Another program sees it at once."""
    await database.run(_add("ann"))
    other = Database(database_url)
    assert await _names(other) == ["ann"]
    other.close()


async def test_run_after_close_is_refused_and_close_finishes_what_waits(database_url: str):
    """What was handed in before the end is written, what comes after is told so."""
    database = Database(database_url)
    futures = [database.submit(_add(f"n{number:02}")) for number in range(30)]
    database.close()
    assert [future.result() for future in futures] == [f"n{number:02}" for number in range(30)]
    with pytest.raises(RuntimeError):
        database.submit(_add("late"))


async def test_run_survives_callers_that_gave_up(database: Database):
    """A cancelled caller neither stops the writer nor the units of others."""
    gate = threading.Event()
    blocker = database.submit(lambda _connection: gate.wait(60))
    given_up = [asyncio.ensure_future(database.run(_add(f"gone{number}"))) for number in range(20)]
    await asyncio.sleep(0)
    for task in given_up:
        task.cancel()
    gate.set()
    await asyncio.gather(*given_up, return_exceptions=True)
    assert await asyncio.wrap_future(blocker)
    assert await database.run(_add("stays")) == "stays"
    assert "stays" in await _names(database)


async def test_read_cannot_see_half_a_unit(database: Database):
    """A reader beside a writer sees all of a unit or nothing."""
    inside, finish = threading.Event(), threading.Event()

    def unit(connection: Connection) -> None:
        _add("first")(connection)
        inside.set()
        finish.wait(60)
        _add("second")(connection)

    running = database.submit(unit)
    await asyncio.to_thread(inside.wait, 60)
    assert await _names(database) == []
    finish.set()
    await asyncio.wrap_future(running)
    assert await _names(database) == ["first", "second"]


async def test_moments_come_back_in_utc_and_naive_ones_are_refused(database: Database):
    """A time with an offset is the same moment; one without zone is not stored."""
    shanghai = datetime(2026, 3, 1, 17, 30, 0, 123456, tzinfo=timezone(timedelta(hours=8)))
    await database.run(_add("ann", shanghai))
    (stored,) = await database.read(
        lambda connection: list(connection.execute(select(CUSTOMERS.c.created_at)).scalars())
    )
    assert (stored, stored.tzinfo) == (shanghai, UTC)
    with pytest.raises(Exception, match="time without zone"):
        await database.run(_add("bob", datetime(2026, 3, 1)))  # noqa: DTZ001 - the mistake under test


@pytest.mark.parametrize("amount", ["0.00", "0.07", "999999999999.99", "19.90"])
async def test_money_comes_back_exactly(database: Database, amount: str):
    """No amount passes through a float; a third decimal is refused."""
    row = {
        "number": "W1",
        "state": "paid",
        "placed_at": NOW,
        "total": Decimal(amount),
        "currency": "CNY",
        "phone_last4": "0001",
        "imported_at": NOW,
    }
    await database.run(lambda connection: connection.execute(insert(ORDERS), row) and None)
    (stored,) = await database.read(lambda connection: list(connection.execute(select(ORDERS.c.total)).scalars()))
    assert str(stored) == amount
    with pytest.raises(Exception, match="two decimals"):
        await database.run(
            lambda connection: (
                connection.execute(insert(ORDERS), row | {"number": "W2", "total": Decimal("1.005")}) and None
            )
        )


def test_dump_json_takes_out_what_no_database_stores():
    """NUL and lone surrogates go, everything else stays readable."""
    value = {"a\x00": ["你好\ud83d", "\\u0000", {"b": "😀"}], "n": 1, "none": None}
    assert dump_json(value) == '{"a":["你好","\\\\u0000",{"b":"😀"}],"n":1,"none":null}'
    assert clean_text("a\x00b\udfffc", 2) == "ab"


@pytest.mark.parametrize("answers", [1, 40])
async def test_kill_in_the_middle_leaves_nothing_half(line: Line, database_url: str, answers: int):
    """After SIGKILL among group commits: what was acknowledged is there, turns are whole, nothing is doubled."""
    writer = subprocess.Popen(  # noqa: ASYNC220 - our own program, read line by line
        [sys.executable, "-m", "tests.contract.killed_writer", database_url],
        cwd=_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    told: list[str] = []
    while sum(each.startswith("answered") for each in told) < answers:
        told.append(await asyncio.to_thread(writer.stdout.readline))
        assert told[-1]
    writer.kill()
    told += writer.stdout.readlines()
    writer.stdout.close()
    writer.wait()
    await _settle(line.database)
    await _check_record(line, [each.split() for each in told if each.endswith("\n")])


async def _settle(database: Database) -> None:
    """Wait until the server has ended what the killed program had begun."""
    busy = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid != pg_backend_pid() AND state != 'idle'"
    )
    while not database.is_sqlite and await database.read(lambda connection: connection.execute(busy).scalar()):  # noqa: ASYNC110
        await asyncio.sleep(0.02)  # the server tells nobody when it is done


async def _check_record(line: Line, told: list[list[str]]) -> None:
    inbox = {row["dedupe_key"]: row for row in await line.rows(INBOX)}
    said = [row["data"]["dedupe_key"] for row in await line.rows(EVENTS) if row["kind"] == "customer_uttered"]
    assert {key for what, key in told if what == "accepted"} <= set(inbox)
    assert {key for what, key in told if what == "answered"} <= set(said)
    assert len(said) == len(set(said))
    assert set(said) == {key for key, row in inbox.items() if row["done_at"] is not None}
    assert await line.count(OUTBOX) == 2 * len(said)
    assert await line.count(EVENTS) == 3 * len(said)


async def test_errors_do_not_show_what_was_to_be_stored(database: Database):
    """A failed statement is named without its values: they may be personal."""
    await database.run(_add("13800000001"))
    with pytest.raises(IntegrityError) as failed:
        await database.run(_add("13800000001"))
    assert "2026" not in str(failed.value)
    assert "hidden" in str(failed.value)


async def test_a_database_that_cannot_be_used_says_so(tmp_path: Path):
    """No folder, no database file, no server: one sentence each, and a later unit is not stuck."""
    (tmp_path / "file").write_text("not a database, and certainly not a folder")
    with pytest.raises(StorageError, match="folder of the database"):
        Database(f"sqlite:///{tmp_path}/file/xiaoer.db")
    for url in (f"sqlite:///{tmp_path}", "postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2"):
        with pytest.raises(StorageError, match="cannot be used now"):
            migrate(url)
    with pytest.raises(StorageError, match="not a database"):
        Database(f"sqlite:///{tmp_path}/file")


async def test_a_locked_database_tells_every_waiter_and_recovers(sqlite_url: str, monkeypatch: pytest.MonkeyPatch):
    """Another program holds the file too long: each waiting unit fails with the reason, the next one works."""
    monkeypatch.setattr("storage.database._BUSY_TIMEOUT_MS", 100)
    database = Database(sqlite_url)
    other = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    ends = await asyncio.gather(*(database.run(_add(f"n{number}")) for number in range(5)), return_exceptions=True)
    assert [type(end) for end in ends] == [StorageError] * 5
    assert "locked" in str(ends[0])
    other.execute("ROLLBACK")
    other.close()
    assert await database.run(_add("later")) == "later"
    database.close()


async def test_a_turn_costs_few_statements(line: Line):
    """Accepting, loading, committing, delivering: the statements are counted, and stay the same at the 60th turn."""
    statements: list[str] = []
    for engine in {line.database.engine, line.database.instant}:
        event.listen(engine, "before_cursor_execute", lambda *call: statements.append(call[2]))
    counts = []
    for number in range(60):
        statements.clear()
        conversation_id = await line.answered(f"k{number}")
        item = await line.outbox.next_due(conversation_id, NOW)
        assert item is not None
        await line.outbox.mark_sent(item.id, NOW, "")
        counts.append(len([each for each in statements if each.split()[0] in {"SELECT", "INSERT", "UPDATE"}]))
    assert counts[1] == counts[-1] <= 13
