"""``xiaoer migrate``, ``backup`` and ``restore``: the data, kept and moved."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bot import app as house
from bot import config as configuration
from bot.commands.options import ConfigFile
from bot.commands.screen import bar, words

_MB = 1024 * 1024


def migrate(
    config: ConfigFile = None,
    to: Annotated[
        str | None,
        typer.Option(help="Move to PostgreSQL: postgresql+psycopg://user@host/name. Stop Xiaoer first."),
    ] = None,
) -> None:
    """Bring the database to this version (an SQLite file is backed up first), or move it to PostgreSQL."""
    loaded = configuration.load(config)
    secrets = configuration.Secrets.from_environment()
    if to is None:
        kept = house.migrate(loaded, secrets)
        words.print(f"the database fits this version{f'; the one before is kept as {kept}' if kept else ''}")
        return
    with bar("moving") as report:
        moved = house.move(
            loaded,
            secrets,
            to,
            lambda table, done, total: report(f"{table} {done:,}/{total:,}", done / total if total else 1.0),
        )
    for table in moved:
        words.print(f"  {table.name:18}{table.rows:>12,} rows   {table.checksum[:16]}")
    words.print(
        "everything is there, row by row the same. Set xiaoer.database.url to the new address and start Xiaoer; "
        "the old file was left as it is",
        soft_wrap=True,
    )


def backup(
    file: Annotated[Path | None, typer.Argument(help="Where to write it (default: beside the database).")] = None,
    config: ConfigFile = None,
) -> None:
    """Write a backup of the SQLite database; Xiaoer may be running."""
    loaded = configuration.load(config)
    with bar("backup") as report:
        place, size = house.back_up(loaded, file, lambda share: report("", share))
    words.print(f"{place}: {size / _MB:.1f} MB, checked", soft_wrap=True)


def restore(
    file: Annotated[Path, typer.Argument(help="A file that `xiaoer backup` wrote.")],
    config: ConfigFile = None,
) -> None:
    """Put a backup in the place of the SQLite database; Xiaoer must not be running."""
    loaded = configuration.load(config)
    with bar("restore") as report:
        kept = house.restore(loaded, file, lambda share: report("", share))
    words.print(f"restored{f'; the database before is kept as {kept}' if kept else ''}", soft_wrap=True)
