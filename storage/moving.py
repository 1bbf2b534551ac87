"""Moving house: every row of an embedded installation copied to PostgreSQL, verified; resumed when it was broken off.

Tables are copied in an order that foreign keys permit, in pages by primary key, each page in one transaction: what is
there of a table is always its first rows, so a move that was broken off goes on behind them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Table, func, insert, inspect, select, text, tuple_

from bot.domain.errors import StorageError
from storage import schema
from storage.database import make_engine
from storage.faults import said_plainly
from storage.models import Base
from storage.tables import MEDIA_PIECES
from storage.types import dump_json

_PAGE_ROWS = 2000
_NOTE = "xiaoer_move"

Report = Callable[[str, int, int], None]
"""Tell how far it is: the table, how many of its rows are done, how many there are."""


BringMedia = Callable[[Engine], object]
"""Put the bytes of media, which lie in files here, into the target's tables."""


@dataclass(frozen=True, slots=True)
class MovedTable:
    """A table that is the same on both sides: its rows, and the checksum over all of them."""

    name: str
    rows: int
    checksum: str


def move(
    source_url: str, target_url: str, report: Report, bring_media: BringMedia | None = None
) -> tuple[MovedTable, ...]:
    """Copy everything and compare; StorageError when the target holds something else, or differs at the end.

    The source is locked against writers meanwhile. The target is migrated first; ``bring_media`` puts into it what
    lies in files here.
    """
    schema.migrate(target_url)
    source, target = make_engine(source_url), make_engine(target_url)
    try:
        with said_plainly(), source.connect() as lock:
            lock.exec_driver_sql("BEGIN IMMEDIATE")
            _check_place(source, target)
            tables = _tables(source)
            for table in tables:
                _copy(source, target, table, report)
            moved = tuple(_compare(source, target, table) for table in tables)
            if bring_media is not None:
                bring_media(target)
            with target.begin() as connection:
                _set_sequences(connection, tables)
                connection.execute(text(f"DROP TABLE {_NOTE}"))
        return moved
    finally:
        source.dispose()
        target.dispose()


def _tables(source: Engine) -> list[Table]:
    """List the tables to move; pieces of media that are files here come from the files."""
    with source.connect() as connection:
        in_files = not _count(connection, MEDIA_PIECES)
    return [table for table in Base.metadata.sorted_tables if table is not MEDIA_PIECES or not in_files]


def _check_place(source: Engine, target: Engine) -> None:
    """Refuse a target that holds rows which no earlier move has brought."""
    with source.connect() as connection:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    if revision != schema.head_revision():
        raise StorageError(f"the database to move is at schema {revision}; run `xiaoer migrate` on it first")
    with target.begin() as connection:
        if inspect(connection).has_table(_NOTE):
            return
        full = [table.name for table in Base.metadata.sorted_tables if _count(connection, table)]
        if full:
            raise StorageError(
                f"the target holds rows already (in {', '.join(full)}); give an empty database, nothing was changed"
            )
        connection.execute(text(f"CREATE TABLE {_NOTE} (begun boolean)"))


def _copy(source: Engine, target: Engine, table: Table, report: Report) -> None:
    with source.connect() as reading:
        total = _count(reading, table)
        with target.connect() as connection:
            done = _count(connection, table)
            last = _last_key(connection, table)
        report(table.name, done, total)
        for page in _pages(reading, table, last):
            with target.begin() as connection:
                connection.execute(insert(table), [dict(row) for row in page])
            done += len(page)
            report(table.name, done, total)


def _pages(reading: Connection, table: Table, last: tuple[Any, ...] | None) -> Iterator[Sequence[RowMapping]]:
    keys = list(table.primary_key.columns)
    while True:
        statement = select(table).order_by(*keys).limit(_PAGE_ROWS)
        if last is not None:
            statement = statement.where(tuple_(*keys) > tuple_(*last))
        page = reading.execute(statement).mappings().all()
        if not page:
            return
        yield page
        last = tuple(page[-1][key.name] for key in keys)


def _last_key(connection: Connection, table: Table) -> tuple[Any, ...] | None:
    """Give the greatest key of the target; pages go in the order of keys, so all below it are there."""
    keys = list(table.primary_key.columns)
    row = connection.execute(select(*keys).order_by(*(_as_bytes(connection, key).desc() for key in keys)).limit(1))
    found = row.first()
    return tuple(found) if found is not None else None


def _as_bytes(connection: Connection, column: Any) -> Any:
    """Order text as SQLite does, byte by byte, whatever the server's language."""
    is_text = column.type.python_type is str
    return column.collate("C") if is_text and connection.dialect.name == "postgresql" else column


def _compare(source: Engine, target: Engine, table: Table) -> MovedTable:
    with source.connect() as here, target.connect() as there:
        ours, theirs = _checksum(here, table), _checksum(there, table)
    if ours != theirs:
        raise StorageError(
            f"table {table.name} differs after the move: {ours.rows} rows here and {theirs.rows} there, checksums "
            f"{ours.checksum[:12]} and {theirs.checksum[:12]}; something wrote meanwhile. Stop it, empty the target "
            "and move again"
        )
    return ours


def _checksum(connection: Connection, table: Table) -> MovedTable:
    """Add up the hashes of the rows, so that their order does not matter."""
    total, rows = 0, 0
    result = connection.execution_options(yield_per=_PAGE_ROWS).execute(select(table))
    for row in result:
        digest = hashlib.sha256(dump_json([_plain(value) for value in row]).encode()).digest()
        total = (total + int.from_bytes(digest)) % (1 << 256)
        rows += 1
    return MovedTable(table.name, rows, f"{total:064x}")


def _plain(value: Any) -> Any:
    """Write a value the one way it reads on both databases."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return f"{value:.2f}"
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value


def _set_sequences(connection: Connection, tables: Sequence[Table]) -> None:
    """Let the numbers that grow go on after the greatest."""
    for table in tables:
        for column in table.primary_key.columns:
            if column.autoincrement is not True:
                continue
            sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, column.name))).scalar()
            greatest = connection.execute(select(func.max(column))).scalar()
            if sequence is not None and greatest is not None:
                connection.execute(select(func.setval(sequence, greatest)))


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
