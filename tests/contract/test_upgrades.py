"""Every released schema, full of data, goes up to the newest and down again without losing any of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Table,
    insert,
    select,
)

from storage.database import make_engine
from storage.schema import downgrade, head_revision, migrate, revisions
from tests.postgresql import PostgresqlServer

NOW = datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)
ROWS = 3
WORDS = "退款多久到账? “引号” 👨‍👩‍👧 \\ '"
SPECIAL = {"owner": "with_bot", "state": "pending", "sender": "bot"}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[str]:
    """Give the address of a database without any table, once for each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'old.db'}"
        return
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    name = f"old_{uuid4().hex}"
    yield server.create(name)
    server.drop(name)


@pytest.mark.parametrize("released", revisions())
def test_data_of_a_released_schema_survives_up_and_down(empty_url: str, released: str):
    """All rows and columns the released schema knows are the same after the way up, and after the way back."""
    migrate(empty_url, released)
    engine = make_engine(empty_url)
    tables = reflect(engine)
    fill(engine, tables)
    before = read(engine, tables)
    assert all(len(rows) == ROWS for rows in before.values())
    migrate(empty_url)
    assert read(engine, tables) == before
    if released != head_revision():
        downgrade(empty_url, released)
        assert {table.name for table in reflect(engine).sorted_tables} == set(before)
        assert read(engine, tables) == before
        migrate(empty_url)
        assert read(engine, tables) == before
    engine.dispose()


def reflect(engine: Engine) -> MetaData:
    """Read the tables as the database has them, without the index of what was said: it keeps itself."""
    found = MetaData()
    found.reflect(engine, only=lambda name, _: not name.startswith("said_"))
    found.remove(found.tables["alembic_version"])
    return found


def fill(engine: Engine, tables: MetaData) -> None:
    """Put rows into every table, parents first."""
    numbers = count(1)
    with engine.begin() as connection:
        keys: dict[str, list[dict[str, Any]]] = {}
        for table in tables.sorted_tables:
            rows = [
                {column.name: value(column, at, next(numbers), keys) for column in table.columns} for at in range(ROWS)
            ]
            connection.execute(insert(table), rows)
            keys[table.name] = rows


def value(column: Column[Any], at: int, number: int, keys: dict[str, list[dict[str, Any]]]) -> Any:
    """Make up a value of a column's type; a reference points to the row of the same place."""
    for reference in column.foreign_keys:
        return keys[reference.column.table.name][at][reference.column.name]
    if column.name in SPECIAL:
        return SPECIAL[column.name]
    length = getattr(column.type, "length", None) or 500
    made = (
        (JSON, {"text": WORDS, "n": at, "list": [1, None, True]}),
        (DateTime, NOW if getattr(column.type, "timezone", False) else NOW.replace(tzinfo=None)),
        (Boolean, at % 2 == 0),
        (LargeBinary, bytes([0, 255, at])),
        (Integer, number),
        (Numeric, Decimal("12.30")),
    )
    return next((each for kind, each in made if isinstance(column.type, kind)), f"{number}-{WORDS}"[:length])


def read(engine: Engine, tables: MetaData) -> dict[str, list[tuple[Any, ...]]]:
    """Read the columns that were there at the beginning."""
    with engine.connect() as connection:
        return {table.name: rows_of(connection, table) for table in tables.sorted_tables}


def rows_of(connection: Any, table: Table) -> list[tuple[Any, ...]]:
    """List a table's rows by key."""
    return [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key.columns))]
