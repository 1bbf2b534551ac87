"""Rates counted in this process."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING

from limits.aio.storage import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable

_TIDY_EVERY_S = 60.0


class MemoryRates(MemoryStorage):
    """The library's storage with a moving window of our own.

    The library's own asks a thread about every key it knows whenever one of them is used; this one looks at the key in
    hand, and once a minute lets go of those whose time is over.
    """

    STORAGE_SCHEME = []  # noqa: RUF012 - the library reads it from the class

    def __init__(self, seconds: Callable[[], float] = time.time) -> None:
        """Count by the wall clock, as the library's strategies do."""
        super().__init__()
        self._seconds = seconds
        self._uses: dict[str, tuple[float, deque[float]]] = {}
        self._tidy_at = seconds() + _TIDY_EVERY_S

    async def acquire_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` uses unless more than ``limit`` would fall into the last ``expiry`` seconds."""
        now = self._seconds()
        if now >= self._tidy_at:
            self._tidy(now)
        _, uses = self._uses.setdefault(key, (expiry, deque()))
        _forget(uses, now - expiry)
        if len(uses) + amount > limit:
            return False
        uses.extend([now] * amount)
        return True

    async def get_moving_window(self, key: str, limit: int, expiry: int) -> tuple[float, int]:
        """Give the moment of the oldest use that counts, and how many do."""
        del limit
        now = self._seconds()
        _, uses = self._uses.get(key, (expiry, deque()))
        _forget(uses, now - expiry)
        return (uses[0], len(uses)) if uses else (now, 0)

    async def clear(self, key: str) -> None:
        """Forget a key."""
        self._uses.pop(key, None)
        await super().clear(key)

    async def reset(self) -> int | None:
        """Forget everything."""
        count = len(self._uses)
        self._uses.clear()
        return count + (await super().reset() or 0)

    def _tidy(self, now: float) -> None:
        self._tidy_at = now + _TIDY_EVERY_S
        over = [key for key, (expiry, uses) in self._uses.items() if not uses or uses[-1] < now - expiry]
        for key in over:
            del self._uses[key]


def _forget(uses: deque[float], before: float) -> None:
    while uses and uses[0] < before:
        uses.popleft()
