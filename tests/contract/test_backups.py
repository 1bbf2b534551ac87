"""Backups of the embedded default: whole while it is written to, and back in its place."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.app import migrate as migrate_house
from bot.config import Config, DatabaseSection, Secrets
from bot.domain.clock import ManualClock
from bot.domain.errors import SchemaTooNew, StorageError
from storage.backups import back_up, restore
from storage.database import Database, make_engine
from storage.schema import check, head_revision, migrate, revisions
from storage.tables import CONVERSATIONS, EVENTS, INBOX
from tests.contract.line import Line, sender

NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)


def file_of(url: str) -> Path:
    """Give the file of an SQLite address."""
    return Path(url.removeprefix("sqlite:///"))


async def test_backup_made_while_shoppers_write_is_whole(sqlite_url: str, tmp_path: Path):
    """Twenty shoppers write meanwhile; the copy opens, fits, and holds what was committed before it began."""
    database = Database(sqlite_url)
    line = Line(database)
    await line.answered("first")
    done = asyncio.Event()

    async def write() -> int:
        number = 0
        while not done.is_set():
            number += 1
            await line.answered(f"k{number}", sender(f"visitor-{number % 20}"))
        return number

    writing = asyncio.create_task(write())
    target = tmp_path / "backups" / "copy.db"
    shares: list[float] = []
    size = await asyncio.to_thread(back_up, file_of(sqlite_url), target, shares.append)
    done.set()
    written = await writing
    database.close()
    assert size == target.stat().st_size > 0
    assert target.stat().st_mode & 0o077 == 0
    assert shares[-1] == 1
    copy = Database(f"sqlite:///{target}")
    check(copy)
    answered = await Line(copy).count(EVENTS)
    assert 2 <= answered <= 2 * (written + 1)
    assert answered % 2 == 0
    assert all(row["done_at"] for row in (await Line(copy).rows(INBOX))[:-1])
    copy.close()
    assert [path.name for path in target.parent.iterdir() if path.name.startswith(".")] == []


async def test_restore_brings_back_what_was_and_keeps_what_is(sqlite_url: str, tmp_path: Path):
    """The restored database is as it was at the backup; the one before lies beside it."""
    database = Database(sqlite_url)
    await Line(database).answered("before")
    back_up(file_of(sqlite_url), tmp_path / "copy.db", lambda _share: None)
    await Line(database).answered("after", sender("other"))
    database.close()
    kept = restore(tmp_path / "copy.db", file_of(sqlite_url), lambda _share: None)
    assert kept is not None
    for url, conversations in ((sqlite_url, 1), (f"sqlite:///{kept}", 2)):
        database = Database(url)
        check(database)
        assert await Line(database).count(CONVERSATIONS) == conversations
        database.close()


async def test_restore_refuses_while_the_database_is_open(sqlite_url: str, tmp_path: Path):
    """A running Xiaoer keeps its database."""
    database = Database(sqlite_url)
    await Line(database).answered("before")
    back_up(file_of(sqlite_url), tmp_path / "copy.db", lambda _share: None)
    with pytest.raises(StorageError, match="in use"):
        await asyncio.to_thread(restore, tmp_path / "copy.db", file_of(sqlite_url), lambda _share: None)
    assert await Line(database).count(CONVERSATIONS) == 1
    database.close()


def test_backup_never_overwrites_and_restore_wants_a_whole_file(sqlite_url: str, tmp_path: Path):
    """Each refusal names the file."""
    taken = tmp_path / "taken.db"
    taken.write_bytes(b"something else entirely, and long enough to be read" * 50)
    with pytest.raises(StorageError, match=r"taken\.db exists already"):
        back_up(file_of(sqlite_url), taken, lambda _share: None)
    with pytest.raises(StorageError, match=r"taken\.db|not a database"):
        restore(taken, file_of(sqlite_url), lambda _share: None)
    with pytest.raises(StorageError, match=r"no backup at .*none\.db"):
        restore(tmp_path / "none.db", file_of(sqlite_url), lambda _share: None)


def test_start_on_an_older_database_backs_it_up_first(tmp_path: Path):
    """The backup is at the old schema, the database at the new one; a second start makes none."""
    file = tmp_path / "shop.db"
    config = Config(database=DatabaseSection(url=f"sqlite:///{file}"))
    oldest = revisions()[0]
    if oldest == head_revision():
        pytest.fail("there is one schema only; this test wants two")
    migrate(config.database.url, oldest)
    kept = migrate_house(config, Secrets(), ManualClock(NOW))
    assert kept is not None
    assert kept.name == f"shop-20260301T093000000000Z-schema-{oldest}.db"
    assert revision_of(kept) == oldest
    assert revision_of(file) == head_revision()
    assert migrate_house(config, Secrets(), ManualClock(NOW)) is None


def test_start_on_a_newer_database_refuses_and_leaves_it(sqlite_url: str):
    """Neither a backup nor a change."""
    engine = make_engine(sqlite_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(SchemaTooNew, match="9999"):
        migrate_house(Config(database=DatabaseSection(url=sqlite_url)), Secrets(), ManualClock(NOW))
    assert not (file_of(sqlite_url).parent / "backups").exists()


def revision_of(file: Path) -> str:
    """Read a database's schema."""
    engine = make_engine(f"sqlite:///{file}")
    with engine.connect() as connection:
        found = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
    engine.dispose()
    return found
