"""Due work is settled one by one: what is wrong with one is no matter to the others."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, insert

from bot.domain.errors import StorageError
from storage.database import Database
from storage.settling import settle_each
from storage.tables import LOOKS
from tests.contract.line import NOW


def note(connection: Connection, name: str) -> str:
    """Write a row, then fail for one of them."""
    connection.execute(insert(LOOKS), {"name": name, "until": NOW})
    if name == "wrong":
        raise ValueError(name)
    return name.upper()


async def test_one_that_fails_keeps_no_other_waiting(database: Database, caplog: pytest.LogCaptureFixture):
    """It leaves nothing behind and is named in the log by its kind only; the others are done."""
    settled = await settle_each(database, "examples", ["first", "wrong", "last"], note)
    assert settled == [("first", "FIRST"), ("last", "LAST")]
    names = await database.read(lambda on: sorted(on.execute(LOOKS.select()).scalars()))
    assert names == ["first", "last"]
    assert "one of the due examples failed and was left out: ValueError" in caplog.text


async def test_database_that_is_gone_ends_the_look(database: Database):
    """There is no use in trying the rest."""
    tried: list[str] = []

    def lost(connection: Connection, name: str) -> None:
        del connection
        tried.append(name)
        raise StorageError("gone")

    with pytest.raises(StorageError):
        await settle_each(database, "examples", ["first", "second"], lost)
    assert tried == ["first"]
