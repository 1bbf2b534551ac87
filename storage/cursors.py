"""How far platforms that are pulled have been read."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from bot.domain.line_ports import Cursor
from storage.tables import CURSORS, Upsert

_POSITION = select(CURSORS.c.position).where(
    CURSORS.c.channel == bindparam("channel"),
    CURSORS.c.account == bindparam("account"),
    CURSORS.c.name == bindparam("name"),
)
_MOVE = Upsert(
    lambda into: (
        (adding := into(CURSORS))
        .on_conflict_do_update(
            index_elements=["channel", "account", "name"],
            set_={"position": adding.excluded.position, "updated_at": adding.excluded.updated_at},
            where=CURSORS.c.position == bindparam("before_position"),
        )
        .returning(CURSORS.c.name)
    )
)


def position(connection: Connection, cursor: Cursor) -> str:
    """Tell how far a platform has been read; empty when it never was."""
    values = {"channel": cursor.channel, "account": cursor.account, "name": cursor.name}
    return connection.execute(_POSITION, values).scalar() or ""


def move(connection: Connection, cursor: Cursor, at: datetime) -> bool:
    """Move the cursor on; False when somebody else has done so since it was read, or there is nowhere to move to."""
    if not cursor.position:
        return False
    moved = connection.execute(
        _MOVE.on(connection),
        {
            "channel": cursor.channel,
            "account": cursor.account,
            "name": cursor.name,
            "position": cursor.position,
            "updated_at": at,
            "before_position": cursor.before,
        },
    )
    return moved.first() is not None
