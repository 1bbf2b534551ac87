"""What went over the wire between a simulated platform and the shop, newest last; no secret is kept."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

KEPT_CALLS = 40
MAX_BODY_CHARS = 1500
_MASK = "•••"
_TOKEN_IN_PATH = re.compile(r"/bot\d+:[^/]+/")
_NAME = r"[\w.-]*(?:secret|token|password)"
_NAMED = (
    re.compile(rf'("{_NAME}"\s*:\s*")[^"]+', re.IGNORECASE),
    re.compile(rf"(\b{_NAME}=)[^&\s]+", re.IGNORECASE),
    re.compile(rf"(<(?P<tag>{_NAME})>(?:<!\[CDATA\[)?)[^<\]]+(?=(?:\]\]>)?</(?P=tag)>)", re.IGNORECASE),
)
_MIN_SECRET_CHARS = 8


@dataclass(frozen=True, slots=True)
class Said:
    """What the two sides of a call said; ``plain`` is the body as it was before it was sealed."""

    body: bytes
    answer: bytes = b""
    plain: str = ""


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
    answer: str
    sealed: bool


class Journal:
    """Keeps the newest calls; ``on_call`` is told after each. ``secrets`` are left out wherever they stand."""

    def __init__(self, now: Callable[[], str], secrets: Iterable[str] = ()) -> None:
        self.on_call: Callable[[], None] = lambda: None
        self._calls: deque[Call] = deque(maxlen=KEPT_CALLS)
        self._now = now
        self._secrets = tuple(each for each in secrets if len(each) >= _MIN_SECRET_CHARS)
        self._count = 0

    def note(self, to: str, what: tuple[str, str], outcome: str, took_s: float, said: Said) -> None:
        """Keep a call; ``what`` is its method and path."""
        self._count += 1
        path = self._masked(_TOKEN_IN_PATH.sub("/bot…/", what[1]))
        body = said.plain[:MAX_BODY_CHARS] or _legible(said.body)
        call = Call(
            number=self._count,
            at=self._now(),
            to=to,
            method=what[0],
            path=path,
            outcome=outcome,
            took_ms=round(took_s * 1000),
            body=self._masked(body),
            answer=self._masked(_legible(said.answer)),
            sealed=bool(said.plain),
        )
        self._calls.append(call)
        self.on_call()

    def as_json(self) -> list[dict[str, Any]]:
        """Shape the calls for the page, newest first."""
        return [asdict(call) for call in reversed(self._calls)]

    def _masked(self, text: str) -> str:
        """Leave out the shop's own secrets, and whatever is called a secret, token or password."""
        for secret in self._secrets:
            text = text.replace(secret, _MASK)
        for pattern in _NAMED:
            text = pattern.sub(lambda found: found[1] + _MASK, text)
        return text


def _legible(body: bytes) -> str:
    """Give the start of a body as text; bytes that are none are counted."""
    head = body[: 4 * MAX_BODY_CHARS]
    if b"\0" in head:
        return f"({len(body)} bytes)"
    return head.decode("utf-8", "replace")[:MAX_BODY_CHARS]
