"""A statement put straight to PostgreSQL's driver gives what the library gives, and a broken connection is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import bindparam, insert, select, text, update

from bot.domain.errors import StorageError
from storage.database import Database
from storage.tables import CURSORS

pytestmark = pytest.mark.postgresql
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)
_ADD = insert(CURSORS)
_FIND = select(CURSORS).where(CURSORS.c.name == bindparam("called"), CURSORS.c.channel == "web")
_MOVE = update(CURSORS).where(CURSORS.c.name == bindparam("called")).values(updated_at=NOW)
_END_ALL = text(
    # With a time it also waits for their end, which comes a moment after the word.
    "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity"
    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
)


@pytest.fixture
def shop(postgresql_url: str) -> Iterator[Database]:
    """Give a database."""
    database = Database(postgresql_url)
    yield database
    database.close()


def _row(name: str) -> dict[str, object]:
    return {"channel": "web", "account": "shop", "name": name, "position": "7%'", "updated_at": NOW}


async def test_statement_met_again_gives_the_same(shop: Database):
    """The first call is the library's, the later ones are not: rows, names, times and counts are equal."""
    for number in range(3):
        row = _row(f"c{number}")
        await shop.run_alone(lambda on, row=row: on.execute(_ADD, row) and None)  # type: ignore[misc]
        moved = {"called": row["name"]}
        assert await shop.run_alone(lambda on, moved=moved: on.execute(_MOVE, moved).rowcount) == 1  # type: ignore[misc]
    found = [
        await shop.read(lambda on: [dict(row) for row in on.execute(_FIND, {"called": "c1"}).mappings()])
        for _ in range(3)
    ]
    assert found == [[_row("c1")]] * 3


async def test_connection_the_server_ended_is_said_and_replaced(shop: Database):
    """One unit hears of it, the next one works."""
    for _ in range(3):
        await shop.read(lambda on: on.execute(_FIND, {"called": "c1"}).first())
    other = Database(shop.engine.url.render_as_string(hide_password=False))
    await other.read(lambda on: on.execute(_END_ALL).all())
    other.close()
    with pytest.raises(StorageError, match="cannot be used now"):
        await shop.read(lambda on: on.execute(_FIND, {"called": "c1"}).first())
    assert await shop.read(lambda on: on.execute(_FIND, {"called": "c1"}).first()) is None
