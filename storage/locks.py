"""Who drains a conversation, over all workers: advisory locks of PostgreSQL, all held by one connection.

A lock lives as long as its connection: a worker that is killed lets go of everything at once. The lock saves work and
keeps the order; that nothing is done twice is the commits' own affair.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Connection, bindparam, create_engine, func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from bot.domain.clock import Clock
from bot.domain.errors import StorageError
from bot.domain.ids import ConversationId
from storage.faults import said_plainly
from storage.tables import INBOX, OUTBOX

T = TypeVar("T")

_CONNECT_TIMEOUT_S = 5
# A machine that vanishes must not keep its locks: the server looks after 10 s of silence, and lets go 9 s later.
_KEEP_ALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=3 -c tcp_keepalives_count=3"
_SIGN = 1 << 63
_TRY = select(func.pg_try_advisory_lock(bindparam("key")))
_RELEASE = select(func.pg_advisory_unlock(bindparam("key")))
_INBOX_LEFT = (
    select(INBOX.c.id).where(INBOX.c.conversation_id == bindparam("conversation"), INBOX.c.done_at.is_(None)).limit(1)
)
_OUTBOX_LEFT = (
    select(OUTBOX.c.due_at)
    .where(OUTBOX.c.conversation_id == bindparam("conversation"), OUTBOX.c.done_at.is_(None))
    .order_by(OUTBOX.c.id)
    .limit(1)
)


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
        taken = bool(self._execute(_TRY, {"key": key}).scalar_one())
        if taken:
            self._held.add(key)
        return taken

    def _release(self, key: int, conversation_id: ConversationId, *, waiting: bool, at: datetime) -> bool:
        if key not in self._held:
            # The connection broke meanwhile; what is left is looked for under a new lock.
            return True
        self._held.discard(key)
        self._execute(_RELEASE, {"key": key})
        values = {"conversation": conversation_id}
        if self._execute(_INBOX_LEFT, values).first() is not None:
            return True
        due_at = None if waiting else self._execute(_OUTBOX_LEFT, values).scalar()
        return due_at is not None and due_at <= at

    def _is_alive(self) -> bool:
        return bool(self._execute(select(1), {}).scalar_one())

    def _execute(self, statement: Any, values: dict[str, Any]) -> Any:
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection.execute(statement, values)

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
