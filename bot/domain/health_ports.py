"""What the house tells about its own state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class LineNumbers:
    """How much waits, and for how long (ages in seconds; 0 when nothing waits).

    ``outbox_age_s`` counts from when a message was due, so one that waits on purpose does not count as late.
    """

    inbox_waiting: int
    inbox_age_s: float
    outbox_waiting: int
    outbox_age_s: float
    dead_letters: int
    queue_waiting: int
    queue_age_s: float
    tickets_overdue: int
    handoffs_overdue: int = 0

    @property
    def sla_due(self) -> int:
        """Count everything past its promised time: tickets, and hand-offs nobody has taken."""
        return self.tickets_overdue + self.handoffs_overdue


class LineGauge(Protocol):
    """Measures the message line in the database."""

    async def read(self, at: datetime) -> LineNumbers:
        """Measure now; StorageError when the database is away."""
        ...
