"""The boundaries of due work: whatever is due is settled in a commit of its own, and the process may die around it.

What it leaves to be delivered then meets the boundaries of the message line.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from bot.engine.boundaries import Watch

T = TypeVar("T")


class DueBoundary(StrEnum):
    """A moment of due work: promises passed, windows closing, snoozes, surveys, links, abandoned conversations."""

    BEFORE_DUE_COMMIT = "before_due_commit"
    AFTER_DUE_COMMIT = "after_due_commit"


class DueUnits(Protocol):
    """Runs the units that due work consists of; a unit is a function of a connection."""

    async def run(self, unit: Callable[[Any], T]) -> T:
        """Run a unit that writes and commit it."""
        ...

    async def read(self, unit: Callable[[Any], T]) -> T:
        """Run a unit that only reads."""
        ...


class WatchedUnits:
    """DueUnits that tell of their boundaries."""

    def __init__(self, units: DueUnits, watch: Watch) -> None:
        self._units = units
        self._watch = watch

    async def run(self, unit: Callable[[Any], T]) -> T:
        """Commit a unit."""
        self._watch(DueBoundary.BEFORE_DUE_COMMIT)
        done = await self._units.run(unit)
        self._watch(DueBoundary.AFTER_DUE_COMMIT)
        return done

    async def read(self, unit: Callable[[Any], T]) -> T:
        """Read."""
        return await self._units.read(unit)
