"""Units of work on SQLite: one writer thread with group commit, and short readings on the spot.

What is waiting for the writer is committed together, each unit in a savepoint of its own. A reading of a few indexed
rows takes less time than handing it to another thread, so it is done where it is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from storage.faults import said_plainly
from storage.prepared import Plans, PreparedConnection

T = TypeVar("T")
Unit = Callable[[Connection], T]

_GROUP_SIZE = 64
_OCCUPIED = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Occupied(Exception):
    """The reading would have to wait."""


class _Task:
    """A task of an event loop that waits for its unit."""

    __slots__ = ("answer", "loop")

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Any] = self.loop.create_future()


_Waiter = Future[Any] | _Task
_End = tuple[Any, BaseException | None]


class GroupWriter:
    """The one thread that writes; what waits is committed together."""

    def __init__(self, engine: Engine, plans: Plans) -> None:
        """Open the connection; StorageError when the file cannot be used."""
        with said_plainly():
            self._connection = PreparedConnection(engine, plans)
        self._waiting: queue.SimpleQueue[tuple[Unit[Any], _Waiter] | None] = queue.SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="database-writer", daemon=True)
        self._thread.start()

    def submit(self, unit: Unit[T]) -> Future[T]:
        """Hand in a unit for a thread."""
        future: Future[T] = Future()
        self._put(unit, future)
        return future

    async def run(self, unit: Unit[T]) -> T:
        """Hand in a unit and wait until it is committed."""
        task = _Task()
        self._put(unit, task)
        value: T = await task.answer
        return value

    def close(self) -> None:
        """Finish what was handed in."""
        self._closing = True
        self._waiting.put(None)
        self._thread.join()

    def _put(self, unit: Unit[Any], waiter: _Waiter) -> None:
        if self._closing:
            raise RuntimeError("the database is closed; nothing more can be written")
        self._waiting.put((unit, waiter))

    def _work(self) -> None:
        with self._connection:
            while (first := self._waiting.get()) is not None:
                group = [first]
                stop = self._gather(group)
                self._commit_group(self._connection, group)
                if stop:
                    return

    def _gather(self, group: list[tuple[Unit[Any], _Waiter]]) -> bool:
        while len(group) < _GROUP_SIZE:
            try:
                item = self._waiting.get_nowait()
            except queue.Empty:
                return False
            if item is None:
                return True
            group.append(item)
        return False

    def _commit_group(self, connection: PreparedConnection, group: list[tuple[Unit[Any], _Waiter]]) -> None:
        wanted = [(unit, waiter) for unit, waiter in group if _is_waiting(waiter)]
        ends: list[_End] = []
        try:
            with said_plainly():
                connection.say("BEGIN IMMEDIATE")
                ends.extend(_attempt(connection, unit) for unit, _ in wanted)
                connection.end("COMMIT")
        except Exception as failure:  # noqa: BLE001 - every waiter must hear of it
            with contextlib.suppress(SQLAlchemyError):
                connection.end("ROLLBACK")
            ends = [(None, failure)] * len(wanted)
        _tell([waiter for _, waiter in wanted], ends)


def _attempt(connection: PreparedConnection, unit: Unit[Any]) -> _End:
    # Said to the driver itself: the library's own savepoints cost as much as a statement each.
    connection.say("SAVEPOINT unit")
    try:
        with said_plainly():
            value = unit(connection)
    except Exception as problem:  # noqa: BLE001 - handed to whoever waits
        connection.say("ROLLBACK TO unit")
        connection.say("RELEASE unit")
        return None, problem
    connection.say("RELEASE unit")
    return value, None


def _is_waiting(waiter: _Waiter) -> bool:
    return waiter.set_running_or_notify_cancel() if isinstance(waiter, Future) else not waiter.answer.done()


def _tell(waiters: Sequence[_Waiter], ends: Sequence[_End]) -> None:
    """Wake everybody; the tasks of a loop together, because each call into a loop from outside costs a system call."""
    tasks: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], _End]]] = {}
    for waiter, end in zip(waiters, ends, strict=True):
        if isinstance(waiter, _Task):
            tasks.setdefault(waiter.loop, []).append((waiter.answer, end))
        elif end[1] is None:
            waiter.set_result(end[0])
        else:
            waiter.set_exception(end[1])
    for loop, answers in tasks.items():
        with contextlib.suppress(RuntimeError):  # a loop that was closed has nobody who waits
            loop.call_soon_threadsafe(_settle, answers)


def _settle(answers: Sequence[tuple[asyncio.Future[Any], _End]]) -> None:
    for answer, (value, problem) in answers:
        if answer.done():
            continue
        if problem is None:
            answer.set_result(value)
        else:
            answer.set_exception(problem)


class QuickReader:
    """Reads at once, on the caller's thread; it never waits for anybody."""

    def __init__(self, engine: Engine, plans: Plans) -> None:
        """Open the connection; StorageError when the file cannot be used."""
        with said_plainly():
            self._connection = PreparedConnection(engine, plans)
        self._connection.driver.execute("PRAGMA busy_timeout=0")
        self._connection.driver.execute("PRAGMA query_only=ON")
        self._free = threading.Lock()

    def read(self, unit: Unit[T]) -> T:
        """Run a unit that reads a few indexed rows; Occupied when it would have to wait."""
        if not self._free.acquire(blocking=False):
            raise Occupied
        try:
            with said_plainly():
                return self._read(unit)
        finally:
            self._free.release()

    def _read(self, unit: Unit[T]) -> T:
        # No transaction around it: each statement sees its own moment, as readings do on PostgreSQL.
        try:
            return unit(self._connection)
        except OperationalError as problem:
            if getattr(problem.orig, "sqlite_errorcode", 0) & 0xFF in _OCCUPIED:
                raise Occupied from problem
            raise

    def close(self) -> None:
        """Give the connection up."""
        self._connection.invalidate()
        self._connection.close()
