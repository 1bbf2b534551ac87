"""Time as something that is handed in, never taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time as an aware UTC datetime."""

    def now(self) -> datetime:
        """Tell the present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Tell the machine's time, aware, in UTC."""
        return datetime.now(UTC)


class ManualClock:
    """A clock that moves only when told; for tests and simulators."""

    def __init__(self, start: datetime) -> None:
        """Start at ``start`` (aware)."""
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Tell the time last set."""
        return self._now

    def advance(self, step: timedelta) -> None:
        """Move forward by ``step``."""
        self._now += step
