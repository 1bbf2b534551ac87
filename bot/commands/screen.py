"""What the person at the shell sees: one console for words, one for trouble, progress bars."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.cells import cell_len
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

words = Console(highlight=False)
trouble = Console(stderr=True, highlight=False)

_WIDEST = 80

Report = Callable[[str, float], None]
"""Tell how far it is: what is being done, and the share that is done, 0..1."""


def wrapped(text: str, begin: str = "") -> str:
    """Lay a text out within the screen, each line below ``begin``; addresses and commands are never broken."""
    inside = " " * len(begin)
    lines, line = [], begin
    for word in text.split(" "):
        if line.strip() and line != begin and cell_len(line) + 1 + cell_len(word) > min(words.width, _WIDEST):
            lines.append(line)
            line = inside + word
        else:
            line += word if line in {begin, inside} else f" {word}"
    return "\n".join([*lines, line])


@contextmanager
def bar(title: str) -> Iterator[Report]:
    """Show a bar that fills as ``report(step, share)`` is called."""
    columns = (TextColumn("  {task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=words, transient=False) as progress:
        task = progress.add_task(title, total=1.0)

        def report(step: str, share: float) -> None:
            progress.update(task, completed=share, description=f"{title}: {step}" if step else title)

        yield report
        progress.update(task, completed=1.0, description=title)


@contextmanager
def counting(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a bar that counts rows; call the report with the number done so far."""
    columns = (TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=words, transient=False) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)
