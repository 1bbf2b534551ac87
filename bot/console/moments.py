"""Times as the reader's clock shows them."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from bot.console.words import Words

_MINUTE_S = 60
_HOUR_S = 3600
_DAY_S = 86400


class Moments:
    """Writes aware times in one zone; ``now`` is the moment the page is made."""

    def __init__(self, zone: ZoneInfo, now: datetime) -> None:
        self.zone = zone
        self._now = now.astimezone(zone)

    @property
    def now(self) -> datetime:
        """Give the moment the page is made."""
        return self._now

    def clock(self, at: datetime) -> str:
        """Write hours and minutes."""
        return f"{at.astimezone(self.zone):%H:%M}"

    def day(self, at: datetime) -> str:
        """Write the date."""
        return f"{at.astimezone(self.zone):%Y-%m-%d}"

    def full(self, at: datetime) -> str:
        """Write date, hours and minutes."""
        return f"{at.astimezone(self.zone):%Y-%m-%d %H:%M}"

    def short(self, at: datetime) -> str:
        """Write as little as tells the moment: hours today, month and day this year, else the date."""
        local = at.astimezone(self.zone)
        if local.date() == self._now.date():
            return f"{local:%H:%M}"
        return f"{local:%m-%d}" if local.year == self._now.year else f"{local:%Y-%m-%d}"

    def since(self, at: datetime, word: Words) -> str:
        """Write how long ago, in the largest unit that fits."""
        seconds = max(int((self._now - at).total_seconds()), 0)
        return _span(seconds, word)

    def is_past(self, at: datetime) -> bool:
        """Tell whether the moment is over."""
        return at <= self._now


def _span(seconds: int, word: Words) -> str:
    if seconds < _MINUTE_S:
        return word("span.now")
    if seconds < _HOUR_S:
        return word("span.minutes", n=seconds // _MINUTE_S)
    if seconds < _DAY_S:
        return word("span.hours", n=seconds // _HOUR_S)
    return word("span.days", n=seconds // _DAY_S)


def start_of_day(text: str, zone: ZoneInfo) -> datetime | None:
    """Read ``2026-11-21`` as its first moment in the zone; None when it is empty or no date."""
    try:
        return datetime.combine(date.fromisoformat(text), time.min, zone)
    except ValueError:
        return None


def end_of_day(text: str, zone: ZoneInfo) -> datetime | None:
    """Read ``2026-11-21`` as the first moment of the next day in the zone; None when it is empty or no date."""
    try:
        return datetime.combine(date.fromisoformat(text) + timedelta(days=1), time.min, zone)
    except (ValueError, OverflowError):
        return None
