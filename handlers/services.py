"""What handlers work with: ports and the shop's own facts, handed in once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from bot.domain.clock import Clock
from bot.domain.ports import Knowledge, NetworkTries, OrderSource, ProofLedger, QueueBoard, Renderer, TicketBook
from bot.domain.replies import Locale, Reply

_DAYS_IN_WEEK = 7


@dataclass(frozen=True, slots=True)
class BusinessHours:
    """When people sit behind the counter; local times of ``timezone``, weekdays 0 (Monday) to 6."""

    opens: time = time(9)
    closes: time = time(21)
    weekdays: frozenset[int] = frozenset(range(_DAYS_IN_WEEK))
    timezone: str = "Asia/Shanghai"

    def is_open(self, at: datetime) -> bool:
        """Tell whether the counter is staffed at ``at`` (aware)."""
        local = at.astimezone(ZoneInfo(self.timezone))
        return local.weekday() in self.weekdays and self.opens <= local.time() < self.closes

    def next_opening(self, at: datetime) -> datetime:
        """Give the first opening after ``at``, aware; with no weekday at all, the same time tomorrow."""
        local = at.astimezone(ZoneInfo(self.timezone))
        for ahead in range(_DAYS_IN_WEEK + 1):
            opening = datetime.combine(local.date() + timedelta(days=ahead), self.opens, local.tzinfo)
            if opening > local and opening.weekday() in self.weekdays:
                return opening
        return local + timedelta(days=1)

    def after(self, since: datetime, open_time: timedelta) -> datetime:
        """Give the moment (UTC) by which the counter has been staffed for ``open_time`` since ``since``.

        A shop that never opens counts as always open.
        """
        if not self.weekdays or self.closes <= self.opens:
            return since + open_time
        at, left = since, open_time
        while True:
            if not self.is_open(at):
                at = self.next_opening(at)
            local = at.astimezone(ZoneInfo(self.timezone))
            closing = datetime.combine(local.date(), self.closes, local.tzinfo).astimezone(UTC)
            if at + left <= closing:
                return (at + left).astimezone(UTC)
            left -= closing - at
            at = closing


@dataclass(frozen=True, slots=True)
class ShopFacts:
    """The shop's own rules; days are calendar days, counted from delivery."""

    hours: BusinessHours = field(default_factory=BusinessHours)
    return_days: int = 7
    fault_days: int = 15
    privacy_days: int = 15
    minutes_per_case: int = 4


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a handler may ask."""

    orders: OrderSource
    proofs: ProofLedger
    networks: NetworkTries
    tickets: TicketBook
    queue: QueueBoard
    knowledge: Knowledge
    renderer: Renderer
    clock: Clock
    shop: ShopFacts = field(default_factory=ShopFacts)

    def say(self, key: str, locale: Locale, data: Mapping[str, Any] | None = None) -> str:
        """Fill a template where text itself is wanted: the summary of a ticket or handoff."""
        return self.renderer.render(Reply(key, data or {}), locale).text
