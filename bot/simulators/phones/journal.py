"""What went over the wire between a simulated platform and the shop, newest last."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

KEPT_CALLS = 40
MAX_BODY_CHARS = 1500
_TOKEN_IN_PATH = re.compile(r"/bot\d+:[^/]+/")


@dataclass(frozen=True, slots=True)
class Call:
    """One call: ``to`` is ``shop`` (a webhook) or ``platform`` (its API), ``outcome`` a status or what befell it."""

    number: int
    at: str
    to: str
    method: str
    path: str
    outcome: str
    took_ms: int
    body: str


class Journal:
    """Keeps the newest calls; ``on_call`` is told after each."""

    def __init__(self, now: Callable[[], str]) -> None:
        self.on_call: Callable[[], None] = lambda: None
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._now = now
        self._count = 0

    def note(self, to: str, what: tuple[str, str], outcome: str, took_s: float, body: bytes) -> None:
        """Keep a call; ``what`` is its method and path. Tokens in a path are left out."""
        self._count += 1
        path = _TOKEN_IN_PATH.sub("/bot…/", what[1])
        text = body[: 4 * MAX_BODY_CHARS].decode("utf-8", "replace")[:MAX_BODY_CHARS]
        self._calls.append(Call(self._count, self._now(), to, what[0], path, outcome, round(took_s * 1000), text))
        self.on_call()

    def as_json(self) -> list[dict[str, Any]]:
        """Shape the calls for the page, newest first."""
        return [asdict(call) for call in reversed(self._calls)]
