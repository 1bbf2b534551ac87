"""Backups of the embedded default: one consistent file, made while it runs.

Source: https://www.sqlite.org/backup.html (pages are copied a few at a time; a page that changes meanwhile is copied
again, so that the copy is a snapshot).
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

from bot.domain.errors import StorageError

_PAGES_A_STEP = 2000
_PAUSE_S = 0.005
_SIDE_FILES = ("-wal", "-shm")

Report = Callable[[float], None]
"""Tell the share that is done, 0..1."""


def back_up(database: Path, target: Path, report: Report) -> int:
    """Write a snapshot of a running database to ``target``; return its size in bytes.

    The file appears under its name only once it is whole and has been checked. StorageError when it exists already,
    or cannot be written.
    """
    if not database.is_file():
        raise StorageError(f"there is no database at {database}; is xiaoer.database.url right?")
    if target.exists():
        raise StorageError(f"{target} exists already; name another file, nothing was overwritten")
    part = target.with_name(f".{target.name}.part")
    with _said_plainly(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(database, part, report)
        _check(part)
        part.replace(target)
        return target.stat().st_size


def restore(backup: Path, database: Path, report: Report) -> Path | None:
    """Put a backup in the place of the database; give the file the old one was kept as, None when there was none.

    Xiaoer must not be running. StorageError when the backup is not whole, or somebody has the database open.
    """
    if not backup.is_file():
        raise StorageError(f"there is no backup at {backup}")
    part = database.with_name(f".{database.name}.part")
    with _said_plainly(database):
        database.parent.mkdir(parents=True, exist_ok=True)
        _check(backup)
        _copy(backup, part, report)
        kept = _set_aside(database)
        part.replace(database)
    return kept


def _copy(source: Path, target: Path, report: Report) -> None:
    target.unlink(missing_ok=True)

    def progress(_status: int, remaining: int, total: int) -> None:
        report(1 - remaining / total if total else 1.0)

    with contextlib.closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True, timeout=10)) as reading:
        target.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(target)) as writing:
            reading.backup(writing, pages=_PAGES_A_STEP, progress=progress, sleep=_PAUSE_S)
            # The copy is one file; the running database keeps its write-ahead log.
            writing.execute("PRAGMA journal_mode=DELETE")
    with target.open("rb") as written:
        os.fsync(written.fileno())


def _check(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        found = connection.execute("PRAGMA quick_check").fetchone()[0]
        known = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'alembic_version'").fetchone()[0]
    if found != "ok" or not known:
        raise StorageError(f"{file} is no whole database of Xiaoer: {found if found != 'ok' else 'it has no schema'}")


def _set_aside(database: Path) -> Path | None:
    if not database.exists():
        return None
    with contextlib.closing(sqlite3.connect(database, timeout=0.2, isolation_level=None)) as connection:
        try:
            # Nobody else may have it open; this also writes the log into the file.
            mode = connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0]
        except sqlite3.OperationalError:
            mode = "locked"
    if mode != "delete":
        raise StorageError(f"{database} is in use; stop Xiaoer first, nothing was changed")
    kept = _free_name(database.with_name(f"{database.name}.before-restore"))
    database.replace(kept)
    for ending in _SIDE_FILES:
        database.with_name(database.name + ending).unlink(missing_ok=True)
    return kept


def _free_name(wanted: Path) -> Path:
    number, free = 1, wanted
    while free.exists():
        number += 1
        free = wanted.with_name(f"{wanted.name}-{number}")
    return free


@contextlib.contextmanager
def _said_plainly(place: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as problem:
        raise StorageError(f"{place}: {problem}") from problem
    except OSError as problem:
        raise StorageError(f"{place} cannot be written: {problem.strerror}") from problem
