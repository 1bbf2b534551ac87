"""Marks that outlive the process: what was used once stays used, whichever process is asked and after a restart."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import Connection, bindparam, delete

from bot.domain.clock import Clock
from storage.database import Database
from storage.tables import CURSORS, Upsert
from storage.types import Moment

_ROOM = "first-marks"
_SET = Upsert(
    lambda into: (
        (adding := into(CURSORS))
        .on_conflict_do_update(
            index_elements=["channel", "account", "name"],
            set_={"updated_at": adding.excluded.updated_at},
            where=CURSORS.c.updated_at <= bindparam("now", type_=Moment),
        )
        .returning(CURSORS.c.name)
    )
)
_MINE = CURSORS.c.channel == _ROOM
_OVER = delete(CURSORS).where(_MINE, CURSORS.c.updated_at <= bindparam("now", type_=Moment))
_FORGET = delete(CURSORS).where(_MINE, CURSORS.c.name == bindparam("mark"))


class SqlFirstMarks:
    """Marks in the database, for what is rare and must not be forgotten; a mark is over when its time is."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def is_first(self, key: str, within_s: int) -> bool:
        """Mark ``key`` for ``within_s`` seconds; False when it is marked already."""
        now = self._clock.now()
        until = now + timedelta(seconds=within_s)
        return await self._database.run(lambda connection: _is_first(connection, _name(key), now, until))

    async def forget(self, key: str) -> None:
        """Take the mark away."""
        await self._database.run(lambda connection: connection.execute(_FORGET, {"mark": _name(key)}) and None)


def _is_first(connection: Connection, name: str, now: datetime, until: datetime) -> bool:
    connection.execute(_OVER, {"now": now})
    values = {"channel": _ROOM, "account": "", "name": name, "position": "", "updated_at": until, "now": now}
    return connection.execute(_SET.on(connection), values).first() is not None


def _name(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
