"""Who drains a conversation, over all workers: advisory locks of PostgreSQL, all held by one connection.

A lock lives as long as its connection: a worker that is killed lets go of everything at once. The lock saves work and
keeps the order; that nothing is done twice is the commits' own affair.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bot.domain.clock import Clock
from bot.domain.errors import StorageError
from bot.domain.ids import ConversationId
from storage.faults import said_plainly

T = TypeVar("T")

_CONNECT_TIMEOUT_S = 5
# A machine that vanishes must not keep its locks: the server looks after 10 s of silence, and lets go 9 s later.
_KEEP_ALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
_SIGN = 1 << 63
_TRY = "SELECT pg_try_advisory_lock(%s)"
_RELEASE = "SELECT pg_advisory_unlock(%s)"
_LEFT = """
SELECT EXISTS (SELECT FROM inbox WHERE conversation_id = %(conversation)s AND done_at IS NULL),
       (SELECT due_at FROM outbox WHERE conversation_id = %(conversation)s AND done_at IS NULL ORDER BY id LIMIT 1)
"""


class PostgresqlLocks:
    """Locks of this process; needs a connection of its own that no pooler shares between sessions."""

    def __init__(self, url: str, clock: Clock) -> None:
        """Connect at the first lock."""
        self._engine = create_engine(
            url,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            connect_args={"connect_timeout": _CONNECT_TIMEOUT_S, "options": _KEEP_ALIVE},
            hide_parameters=True,
        )
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="locks")
        self._connection: Connection | None = None
        self._held: set[int] = set()

    async def enter(self, conversation_id: ConversationId) -> bool:
        """Take the conversation; False when another process has it. StorageError when the database is away."""
        return await self._run(lambda: self._take(conversation_key(conversation_id)))

    async def leave(self, conversation_id: ConversationId, *, waiting: bool) -> bool:
        """Let go, then look once more; True when something is to be done at once.

        Whoever rang while the lock was held has been sent away: what he rang for is seen by this look.
        """
        key = conversation_key(conversation_id)
        return await self._run(lambda: self._release(key, conversation_id, waiting=waiting, at=self._clock.now()))

    async def lead(self, name: str) -> bool:
        """Tell whether this process holds the one place of that name, taking it when it is free."""
        key = _name_key(name)
        return await self._run(lambda: (key in self._held and self._is_alive()) or self._take(key))

    async def close(self) -> None:
        """Let go of everything."""
        await asyncio.wrap_future(self._thread.submit(self._drop))
        self._thread.shutdown()
        self._engine.dispose()

    async def _run(self, step: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._thread.submit(self._guarded, step))

    def _guarded(self, step: Callable[[], T]) -> T:
        try:
            with said_plainly():
                return step()
        except StorageError:
            self._drop()
            raise

    def _take(self, key: int) -> bool:
        with self._speaking() as driver:
            taken = bool(driver.execute(_TRY, (key,)).fetchone()[0])
        if taken:
            self._held.add(key)
        return taken

    def _release(self, key: int, conversation_id: ConversationId, *, waiting: bool, at: datetime) -> bool:
        if key not in self._held:
            # The connection broke meanwhile; what is left is looked for under a new lock.
            return True
        self._held.discard(key)
        # One round trip, and still two statements: the second sees what was committed before the lock was free.
        with self._speaking() as driver, driver.pipeline():
            driver.execute(_RELEASE, (key,))
            left = driver.execute(_LEFT, {"conversation": conversation_id})
        unread, due_at = left.fetchone()
        return bool(unread) or (not waiting and due_at is not None and due_at <= at)

    def _is_alive(self) -> bool:
        with self._speaking() as driver:
            return driver.execute("SELECT 1").fetchone() is not None

    @contextlib.contextmanager
    def _speaking(self) -> Iterator[Any]:
        """Give the driver's own connection, which can say several things at once; raises as ``said_plainly`` does."""
        if self._connection is None:
            self._connection = self._engine.connect()
        driver = self._connection.connection.driver_connection
        try:
            yield driver
        except self._engine.dialect.loaded_dbapi.OperationalError as problem:
            raise StorageError(f"the database cannot be used now: {problem}") from problem

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        self._held.clear()
        if connection is not None:
            try:
                connection.close()
            except SQLAlchemyError:
                connection.invalidate()


def conversation_key(conversation_id: ConversationId) -> int:
    """Make a lock's number (64 bits, signed) of a conversation's id."""
    return int(conversation_id[:16], 16) - _SIGN


def _name_key(name: str) -> int:
    return zlib.crc32(name.encode())
