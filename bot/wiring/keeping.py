"""Keeping the data: migrated with a backup before it, backed up, restored, moved to PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from bot.config import Config, Secrets
from bot.domain.clock import Clock, SystemClock
from bot.domain.errors import ConfigError
from bot.wiring.media import media_folder
from bot.wiring.preparation import database_url
from storage import backups, moving, schema
from storage.shelves import FolderShelf, bring_files

_FOLDER = "backups"


def migrate(config: Config, secrets: Secrets, clock: Clock | None = None) -> Path | None:
    """Bring the tables to this version; SchemaTooNew when a newer version wrote them.

    An SQLite file with an older schema is backed up first; the backup is returned.
    """
    url = database_url(config, secrets)
    kept: Path | None = None
    step = schema.pending_step(url)
    if step is not None and step[0] in schema.revisions() and _is_file(config):
        now = (clock or SystemClock()).now()
        kept = _backup_name(config, now, f"-schema-{step[0]}")
        back_up(config, kept, lambda _share: None)
    schema.migrate(url)
    return kept


def back_up(config: Config, target: Path | None, report: Callable[[float], None]) -> tuple[Path, int]:
    """Write a snapshot while Xiaoer runs; give its place and size. ConfigError on PostgreSQL."""
    database = _database_file(config, "back it up with pg_dump, as docs/operations.md shows")
    place = target or _backup_name(config, SystemClock().now(), "")
    size = backups.back_up(database, place, report)
    folder = media_folder(config)
    if folder is not None and folder.is_dir():
        # After the database: whatever its rows name is there by now.
        FolderShelf(folder).copy_to(_media_of(place))
    return place, size


def restore(config: Config, backup: Path, report: Callable[[float], None]) -> Path | None:
    """Put a backup in the database's place; give what the old one is kept as. ConfigError on PostgreSQL."""
    database = _database_file(config, "restore it with pg_restore, as docs/operations.md shows")
    kept = backups.restore(backup, database, report)
    folder = media_folder(config)
    if folder is not None and _media_of(backup).is_dir():
        FolderShelf(_media_of(backup)).copy_to(folder)
    return kept


def move(config: Config, secrets: Secrets, target: str, report: moving.Report) -> tuple[moving.MovedTable, ...]:
    """Copy everything to PostgreSQL and compare; the password comes from the environment."""
    database = _database_file(config, "it is not moved from there")
    migrate(config, secrets)
    try:
        url = make_url(target)
    except ArgumentError:
        raise ConfigError(f"{target!r} is no database address; write postgresql+psycopg://user@host/name") from None
    if url.password:
        raise ConfigError("--to holds a password; take it out and set XIAOER_DATABASE_PASSWORD in the environment")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername != "postgresql+psycopg":
        raise ConfigError(f"--to speaks to {url.drivername!r}; write postgresql+psycopg://user@host/name")
    if secrets.database_password:
        url = url.set(password=secrets.database_password)
    folder = media_folder(config)
    # A folder that the configuration names stays where it is, for it can be shared; otherwise its files go along.
    files = FolderShelf(folder) if folder is not None and config.media.keep_in == "auto" else None
    now = SystemClock().now()
    bring = None if files is None else lambda engine: bring_files(files, engine, now)
    return moving.move(f"sqlite:///{database}", url.render_as_string(hide_password=False), report, bring)


def _media_of(backup: Path) -> Path:
    return backup.with_name(f"{backup.name}.media")


def _is_file(config: Config) -> bool:
    return make_url(config.database.url).drivername == "sqlite"


def _database_file(config: Config, otherwise: str) -> Path:
    url = make_url(config.database.url)
    if url.drivername != "sqlite":
        raise ConfigError(f"xiaoer.database.url is a PostgreSQL server, not a file of ours; {otherwise}")
    return Path(url.database or "")


def _backup_name(config: Config, now: datetime, ending: str) -> Path:
    database = _database_file(config, "")
    return database.parent / _FOLDER / f"{database.stem}-{now:%Y%m%dT%H%M%S%fZ}{ending}.db"
