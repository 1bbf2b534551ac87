"""The database behind one awaitable.

A *unit* is a plain synchronous function of a Connection. ``run`` executes units that write, ``read`` those that only
read. SQLite has one writer thread with group commit: units waiting together share one transaction, each in its own
savepoint, so that one that fails takes nobody with it. PostgreSQL runs each unit in a transaction of its own on a
thread pool; what only reads, and a unit of a single statement, needs none and saves two round trips.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DatabaseError, DisconnectionError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from bot.domain.errors import StorageError
from storage.types import dump_json

T = TypeVar("T")
Unit = Callable[[Connection], T]

_GROUP_SIZE = 64
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


@contextlib.contextmanager
def said_plainly() -> Iterator[None]:
    """Turn a database that cannot be used (locked, full, gone) into a StorageError."""
    try:
        yield
    except DatabaseError as problem:
        # The bare class is a file that is no database; its other children are mistakes of the statement.
        if not isinstance(problem, OperationalError) and type(problem) is not DatabaseError:
            raise
        raise StorageError(f"the database cannot be used now: {problem.orig}") from problem


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
        self._writer = _GroupWriter(self.engine) if self.is_sqlite else None

    async def run(self, unit: Unit[T]) -> T:
        """Run a unit that writes and commit it; an exception rolls it back and is raised here."""
        return await asyncio.wrap_future(self.submit(unit))

    async def run_alone(self, unit: Unit[T]) -> T:
        """Run a unit that executes one statement at most: whatever that writes is committed with it."""
        if self._writer is not None:
            return await asyncio.wrap_future(self._writer.submit(unit))
        return await asyncio.wrap_future(self._pool.submit(self._read, unit))

    async def read(self, unit: Unit[T]) -> T:
        """Run a unit that only reads."""
        return await asyncio.wrap_future(self._pool.submit(self._read, unit))

    def submit(self, unit: Unit[T]) -> Future[T]:
        """Hand a unit in without waiting; for synchronous callers: ``submit(unit).result()``."""
        if self._writer is not None:
            return self._writer.submit(unit)
        return self._pool.submit(self._write, unit)

    def close(self) -> None:
        """Finish what was handed in, then close all connections."""
        if self._writer is not None:
            self._writer.close()
        self._pool.shutdown(wait=True)
        self.engine.dispose()
        self.instant.dispose()

    def _write(self, unit: Unit[T]) -> T:
        with said_plainly(), self.engine.begin() as connection:
            return unit(connection)

    def _read(self, unit: Unit[T]) -> T:
        with said_plainly(), self.instant.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            return unit(connection)


class _GroupWriter:
    """SQLite's one writer: takes what is waiting, commits it together."""

    def __init__(self, engine: Engine) -> None:
        with said_plainly():
            self._connection = engine.connect()
        self._waiting: queue.SimpleQueue[tuple[Unit[Any], Future[Any]] | None] = queue.SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="database-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit[T]) -> Future[T]:
        if self._closing:
            raise RuntimeError("the database is closed; nothing more can be written")
        future: Future[T] = Future()
        self._waiting.put((unit, future))
        return future

    def close(self) -> None:
        self._closing = True
        self._waiting.put(None)
        self._thread.join()

    def _work(self) -> None:
        with self._connection as connection:
            while (first := self._waiting.get()) is not None:
                group = [first]
                stop = self._gather(group)
                self._commit_group(connection, group)
                if stop:
                    return

    def _gather(self, group: list[tuple[Unit[Any], Future[Any]]]) -> bool:
        while len(group) < _GROUP_SIZE:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return False
            if item is None:
                return True
            group.append(item)
        return False

    def _commit_group(self, connection: Connection, group: list[tuple[Unit[Any], Future[Any]]]) -> None:
        wanted = [(unit, future) for unit, future in group if future.set_running_or_notify_cancel()]
        finished: list[tuple[Future[Any], Any, BaseException | None]] = []
        try:
            with said_plainly():
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                finished.extend((future, *self._attempt(connection, unit)) for unit, future in wanted)
                connection.commit()
        except Exception as failure:  # noqa: BLE001 - every waiter must hear of it
            with contextlib.suppress(SQLAlchemyError):
                connection.rollback()
            finished = [(future, None, failure) for _, future in wanted]
        for future, value, problem in finished:
            if problem is None:
                future.set_result(value)
            else:
                future.set_exception(problem)

    @staticmethod
    def _attempt(connection: Connection, unit: Unit[Any]) -> tuple[Any, BaseException | None]:
        # Said to the driver itself: the library's own savepoints cost as much as a statement each.
        driver: Any = connection.connection.driver_connection
        driver.execute("SAVEPOINT unit")
        try:
            with said_plainly():
                value = unit(connection)
        except Exception as problem:  # noqa: BLE001 - handed to whoever waits
            driver.execute("ROLLBACK TO unit")
            driver.execute("RELEASE unit")
            return None, problem
        driver.execute("RELEASE unit")
        return value, None
