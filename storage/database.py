"""The database behind one awaitable.

A *unit* is a plain synchronous function of a Connection. ``run`` executes units that write, ``read`` those that only
read. SQLite has one writer thread with group commit: units waiting together share one transaction, each in its own
savepoint, so that one that fails takes nobody with it. PostgreSQL runs each unit in a transaction of its own on a
thread pool; what only reads, and a unit of a single statement, needs none and saves two round trips.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.pool import QueuePool

from bot.domain.errors import StorageError
from storage.faults import said_plainly
from storage.postgresql_units import Session, SessionPlans
from storage.prepared import Plans, PreparedConnection
from storage.sqlite_units import GroupWriter, Occupied, QuickReader
from storage.types import dump_json

T = TypeVar("T")
Unit = Callable[[Connection], T]

_POOL_THREADS = 8
_KEPT_FOR_TRANSACTIONS = 4
_BUSY_TIMEOUT_MS = 10_000
_TRUSTED_IDLE_S = 5.0
_USED_AT = "used_at"


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={_BUSY_TIMEOUT_MS}",
        "temp_store=MEMORY",
        "cache_size=-20000",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _note_use(_connection: Any, record: Any) -> None:
    record.info[_USED_AT] = time.monotonic()


def _try_idle(connection: Any, record: Any, _proxy: Any) -> None:
    """Try a connection that has lain idle, so that one which the server has dropped is replaced unnoticed."""
    if time.monotonic() - record.info.get(_USED_AT, time.monotonic()) < _TRUSTED_IDLE_S:
        return
    try:
        connection.execute("SELECT 1")
        connection.rollback()
    except Exception as problem:
        raise DisconnectionError from problem


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise StorageError(f"the folder of the database cannot be made: {folder} ({problem.strerror})") from problem


def make_engine(url: str, *, instant: bool = False) -> Engine:
    """Make an engine for ``sqlite:///path`` or ``postgresql+psycopg://...``; its errors never show what was stored.

    ``instant``: on PostgreSQL each statement is committed by itself.
    """
    if url.startswith("sqlite"):
        _make_folder(Path(url.removeprefix("sqlite:///")).parent)
        engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=_POOL_THREADS + 1,
            connect_args={"check_same_thread": False},
            json_serializer=dump_json,
            hide_parameters=True,
        )
        event.listen(engine, "connect", _prepare_sqlite)
        return engine
    engine = create_engine(
        url,
        pool_size=_POOL_THREADS if instant else _KEPT_FOR_TRANSACTIONS,
        max_overflow=_POOL_THREADS,
        json_serializer=dump_json,
        hide_parameters=True,
        **({"isolation_level": "AUTOCOMMIT"} if instant else {}),
    )
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _try_idle)
    return engine


class Units(Protocol):
    """Runs units of work as ``Database`` does."""

    async def run(self, unit: Unit[T]) -> T:
        """Run a unit that writes and commit it."""
        ...

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads."""
        ...


class Database:
    """Runs units of work; close it when done.

    ``run``, ``read`` and ``submit`` raise StorageError when the database cannot be used, and what the unit raises.
    """

    def __init__(self, url: str) -> None:
        """Open ``url``; the schema is not touched. Raises StorageError when an SQLite file cannot be opened."""
        self.engine = make_engine(url)
        self.is_sqlite = self.engine.dialect.name == "sqlite"
        # At PostgreSQL's usual level each statement of a transaction sees its own moment, so reading needs none.
        self.instant = self.engine if self.is_sqlite else make_engine(url, instant=True)
        self._pool = ThreadPoolExecutor(_POOL_THREADS, thread_name_prefix="database")
        self._plans = Plans(self.engine.dialect)
        self._session_plans = SessionPlans(self.instant.dialect)
        self._writer = GroupWriter(self.engine, self._plans) if self.is_sqlite else None
        self._quick = QuickReader(self.engine, self._plans) if self.is_sqlite else None

    async def run(self, unit: Unit[T]) -> T:
        """Run a unit that writes and commit it; an exception rolls it back and is raised here."""
        if self._writer is not None:
            return await self._writer.run(unit)
        return await asyncio.wrap_future(self._pool.submit(self._write, unit))

    async def run_alone(self, unit: Unit[T]) -> T:
        """Run a unit that executes one statement at most: whatever that writes is committed with it."""
        if self._writer is not None:
            return await self._writer.run(unit)
        return await asyncio.wrap_future(self._pool.submit(self._read, unit))

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads."""
        return await asyncio.wrap_future(self._pool.submit(self._read, unit))

    async def glance(self, unit: Unit[T]) -> T:
        """Run a unit that reads a few rows by an index: on SQLite that takes less time than another thread's turn.

        Each of its statements sees its own moment, whatever is committed beside it.
        """
        if self._quick is not None:
            with contextlib.suppress(Occupied):
                return self._quick.read(unit)
        return await self.read(unit)

    def submit(self, unit: Unit[T]) -> Future[T]:
        """Hand a unit in without waiting; for synchronous callers: ``submit(unit).result()``."""
        if self._writer is not None:
            return self._writer.submit(unit)
        return self._pool.submit(self._write, unit)

    def close(self) -> None:
        """Finish what was handed in, then close all connections."""
        if self._writer is not None:
            self._writer.close()
        if self._quick is not None:
            self._quick.close()
        self._pool.shutdown(wait=True)
        self.engine.dispose()
        self.instant.dispose()

    def _write(self, unit: Unit[T]) -> T:
        with said_plainly(), self.engine.begin() as connection:
            return unit(connection)

    def _read(self, unit: Unit[T]) -> T:
        with said_plainly():
            if not self.is_sqlite:
                with Session(self.instant, self._session_plans) as session:
                    return unit(session)
            with contextlib.closing(PreparedConnection(self.engine, self._plans)) as prepared:
                prepared.say("BEGIN")
                return unit(prepared)
