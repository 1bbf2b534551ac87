"""What the commands that read a merchant's file have in common."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from bot.commands.screen import trouble
from bot.domain.errors import ImportRefused

_SHOWN_PROBLEMS = 50
_REFUSED = 1

Encoding = Annotated[str, typer.Option(help="How the file is written: utf-8, or gb18030 for GBK files.")]


@contextlib.contextmanager
def listing_problems(file: Path) -> Iterator[None]:
    """End the command with status 1 and a list of the wrong rows when the file is refused."""
    try:
        yield
    except ImportRefused as refused:
        _show(file, refused)
        raise typer.Exit(_REFUSED) from None


def _show(file: Path, refused: ImportRefused) -> None:
    """List the wrong rows, each with its line and reason."""
    trouble.print(str(refused), markup=False, soft_wrap=True)
    for line, reason in refused.problems[:_SHOWN_PROBLEMS]:
        where = f"{file}:{line}" if line else str(file)
        trouble.print(f"  {where}: {reason}", markup=False, soft_wrap=True)
    if len(refused.problems) > _SHOWN_PROBLEMS:
        trouble.print(f"  … and {len(refused.problems) - _SHOWN_PROBLEMS} more")
