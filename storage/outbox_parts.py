"""Parts of messages as rows: what a platform says of one of them is found, and counts for the whole message."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, delete, or_, select, update

from bot.domain.line_ports import PartsRecord
from storage.tables import OUTBOX, OUTBOX_PARTS, Upsert
from storage.types import clean_text

_ID_CHARS = 200
_KEEP = Upsert(
    lambda into: (adding := into(OUTBOX_PARTS)).on_conflict_do_update(
        index_elements=["outbox_id", "number"], set_={"platform_id": adding.excluded.platform_id}
    )
)
_OF_ROW = (
    select(OUTBOX_PARTS.c.number, OUTBOX_PARTS.c.platform_id)
    .where(OUTBOX_PARTS.c.outbox_id == bindparam("item"))
    .order_by(OUTBOX_PARTS.c.number)
)
_FORGET = delete(OUTBOX_PARTS).where(
    OUTBOX_PARTS.c.outbox_id == bindparam("item"), OUTBOX_PARTS.c.number >= bindparam("first")
)
# Only ever back: what was not delivered is sent again with all that follows it.
_FALL_BACK = (
    update(OUTBOX)
    .where(OUTBOX.c.id == bindparam("item"), OUTBOX.c.state == "refused", OUTBOX.c.parts_taken > bindparam("first"))
    .values(parts_taken=bindparam("first"))
)


def called(name: str) -> ColumnElement[bool]:
    """Match outbox rows of which the platform calls the message, or a part of it, by the value of ``name``."""
    of_part = select(OUTBOX_PARTS.c.outbox_id).where(OUTBOX_PARTS.c.platform_id == bindparam(name))
    return or_(OUTBOX.c.platform_id == bindparam(name), OUTBOX.c.id.in_(of_part))


def keep(connection: Connection, item: int, parts: PartsRecord) -> None:
    """Keep what the platform calls the parts of a message."""
    rows = [
        {"outbox_id": item, "number": number, "platform_id": clean_text(platform_id, _ID_CHARS)}
        for number, platform_id in parts.ids.items()
    ]
    if rows:
        connection.execute(_KEEP.on(connection), rows)


def of_row(connection: Connection, item: int, platform_id: str) -> list[tuple[int, str]]:
    """List the parts of a message in order; the message itself, ``platform_id``, when it has none."""
    found: list[tuple[int, str]] = [(row[0], row[1]) for row in connection.execute(_OF_ROW, {"item": item})]
    return found or [(0, platform_id)]


def fall_back(connection: Connection, item: int, first: int) -> None:
    """Let a refused message be sent again from part ``first``, or from an earlier one if that was said before."""
    connection.execute(_FALL_BACK, {"item": item, "first": first})


def forget(connection: Connection, item: int, first: int) -> None:
    """Forget the parts from number ``first``, which are about to be sent again."""
    values: dict[str, Any] = {"item": item, "first": first}
    connection.execute(_FORGET, values)
