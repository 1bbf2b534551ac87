"""Ask an engine every message, one after the other as shoppers' messages come, and take the time."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from bot.domain.ports import Recogniser
from bot.domain.understanding import Expectation
from intents.evaluation.figures import Judged
from intents.evaluation.rows import Row

_WARM_UP = 20


async def measure(recogniser: Recogniser, rows: Sequence[Row], tell: Callable[[int], None]) -> list[Judged]:
    """Recognise every row; ``tell`` is given how many are done. The first few are asked twice: caches are warm."""
    nothing = Expectation()
    for row in rows[:_WARM_UP]:
        await recogniser.recognise(row.text, nothing)
    judged = []
    for done, row in enumerate(rows, 1):
        started = time.perf_counter()
        found = await recogniser.recognise(row.text, nothing)
        judged.append(Judged(row, found, (time.perf_counter() - started) * 1000))
        tell(done)
    return judged


def resident_mb(pid: int | None = None) -> float:
    """Tell the resident memory of a process (default: this one) with its children, MB; 0 where it cannot be told."""
    root = str(pid) if pid else "self"
    try:
        status = Path(f"/proc/{root}/status").read_text("utf-8")
        kilobytes = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))
        children = Path(f"/proc/{root}/task/{pid}/children").read_text("utf-8").split() if pid else []
    except (OSError, StopIteration):
        return 0.0
    return kilobytes / 1024 + sum(resident_mb(int(child)) for child in children)
