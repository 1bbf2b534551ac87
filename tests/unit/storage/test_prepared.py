"""A statement put straight to the driver is and returns what the library's own execution is and returns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Connection,
    Integer,
    MetaData,
    String,
    Table,
    bindparam,
    event,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import IntegrityError, StatementError

from storage.database import make_engine
from storage.prepared import Plans, PreparedConnection
from storage.types import Json, Moment

NOW = datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)
THINGS = Table(
    "things",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("name", String, unique=True),
    Column("at", Moment),
    Column("data", Json, default=dict),
    Column("count", Integer, default=7),
)
ADD = insert(THINGS)
ADD_ONCE = sqlite.insert(THINGS).on_conflict_do_nothing().returning(THINGS.c.id)
FIND = select(THINGS).where(THINGS.c.name == bindparam("named"))
AMONG = select(THINGS.c.name).where(THINGS.c.id.in_(bindparam("ids", expanding=True))).order_by(THINGS.c.id)
CHANGE = update(THINGS).where(THINGS.c.name == bindparam("named"))
TWICE = select(THINGS.c.id, THINGS.c.name, (THINGS.c.count + 1).label("more")).order_by(THINGS.c.id).limit(2)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[PreparedConnection]:
    """Open an empty table."""
    engine = make_engine(f"sqlite:///{tmp_path}/things.db")
    with engine.begin() as plain:
        THINGS.metadata.create_all(plain)
    opened = PreparedConnection(engine, Plans(engine.dialect))
    yield opened
    opened.close()
    engine.dispose()


def _row(number: int, **more: Any) -> dict[str, Any]:
    return {"name": f"n{number}", "at": NOW + timedelta(days=number)} | more


def _library(connection: PreparedConnection) -> list[str]:
    """Hear what the library executes itself; what is put to the driver it does not know of."""
    heard: list[str] = []
    plans = connection._plans
    made = plans._make

    def noted(statement: Any, values: Any, *, many: bool) -> Any:
        plan = made(statement, values, many=many)
        heard.append("planned" if plan else "left")
        return plan

    plans._make = noted  # type: ignore[method-assign]
    return heard


def test_prepared_rows_are_the_librarys_rows(connection: PreparedConnection):
    """By name, by place and as mappings, with times in UTC, JSON read and defaults filled in."""
    for number in range(4):
        connection.execute(ADD, _row(number))
        connection.execute(ADD, _row(number + 10, data={"你": [1, None]}, count=None))
    found = [connection.execute(FIND, {"named": "n12"}).one() for _ in range(3)]
    assert found[0] == found[1] == found[2]
    assert (found[2].at, found[2].data, found[2].count) == (NOW + timedelta(days=12), {"你": [1, None]}, None)
    mapped = [connection.execute(FIND, {"named": "n2"}).mappings().first() for _ in range(3)]
    assert dict(mapped[0] or {}) == dict(mapped[2] or {})
    assert dict(mapped[2] or {})["count"] == 7
    assert [connection.execute(FIND, {"named": "none"}).first() for _ in range(3)] == [None] * 3
    assert [connection.execute(TWICE).all() for _ in range(3)] == [[(1, "n0", 8), (2, "n10", None)]] * 3


def test_prepared_changes_are_counted_and_given_back(connection: PreparedConnection):
    """RETURNING gives its rows, UPDATE the number of rows it changed; other columns are another plan."""
    ids = [connection.execute(ADD_ONCE, _row(number % 3)).scalar() for number in range(5)]
    assert ids == [1, 2, 3, None, None]
    assert [connection.execute(CHANGE, {"named": "n1", "count": count}).rowcount for count in range(3)] == [1, 1, 1]
    assert [connection.execute(CHANGE, {"named": "n9", "data": {}}).rowcount for _ in range(3)] == [0, 0, 0]
    assert connection.execute(CHANGE, {"named": "n1", "data": {"a": 1}, "count": 5}).rowcount == 1
    row = connection.execute(FIND, {"named": "n1"}).one()
    assert (row.data, row.count) == ({"a": 1}, 5)


def test_prepared_lists_of_any_length_are_taken(connection: PreparedConnection):
    """IN with none, one, some and very many values; many rows at once."""
    for start in (0, 50, 100):
        connection.execute(ADD, [_row(number) for number in range(start, start + 50)])
    for ids in ([], [1], [2, 1], [], [3, 4], list(range(1, 101)), [2, 1], list(range(1, 101))):
        names = connection.execute(AMONG, {"ids": ids}).scalars().all()
        assert names == [f"n{number - 1}" for number in sorted(ids)]


def test_prepared_statements_take_the_short_way_from_the_second_call_on(connection: PreparedConnection):
    """What is met once is not planned; a select made anew each time never is."""
    heard = _library(connection)
    for number in range(3):
        connection.execute(ADD, _row(number))
        connection.execute(select(func.count()).select_from(THINGS)).scalar_one()
    assert heard == ["planned"]


def test_prepared_mistakes_are_told_as_the_library_tells_them(connection: PreparedConnection):
    """A missing or wrong value, a row that is there already: the same errors, nothing of the values in them."""
    connection.say("BEGIN")
    for number in range(3):
        connection.execute(ADD, _row(number))
    for _ in range(2):
        with pytest.raises(IntegrityError) as failed:
            connection.execute(ADD, _row(1))
        assert "n1" not in str(failed.value)
        with pytest.raises(StatementError, match="time without zone"):
            connection.execute(ADD, {"name": "naive", "at": datetime(2026, 3, 1)})  # noqa: DTZ001 - the mistake
        with pytest.raises(StatementError, match="required"):
            connection.execute(FIND, {"name": "n1"})
    assert connection.driver.in_transaction
    connection.end("COMMIT")
    assert len(connection.execute(select(THINGS)).all()) == 3


def test_prepared_statements_are_heard_by_whoever_listens(connection: PreparedConnection):
    """Somebody who counts statements counts them all."""
    for number in range(3):
        connection.execute(ADD, _row(number))
    heard: list[str] = []

    def note(_connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        heard.append(statement.split(maxsplit=1)[0])

    event.listen(connection.engine, "before_cursor_execute", note)
    connection.execute(ADD, _row(3))
    connection.execute(FIND, {"named": "n3"}).one()
    assert heard == ["INSERT", "SELECT"]
