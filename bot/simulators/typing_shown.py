"""Who sees that an answer is being made, as platforms show it."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.clock import Clock


class TypingShown:
    """Shows it to a person until its time is over, or until a message comes; ``told`` lists everybody in order."""

    def __init__(self, clock: Clock, lasts_s: float) -> None:
        self.told: list[str] = []
        self._clock = clock
        self._lasts = timedelta(seconds=lasts_s)
        self._until: dict[str, datetime] = {}

    def show(self, who: str, lasts_s: float | None = None) -> None:
        """Show it from now on."""
        self.told.append(who)
        lasts = self._lasts if lasts_s is None else timedelta(seconds=lasts_s)
        self._until[who] = self._clock.now() + lasts

    def stop(self, who: str) -> None:
        """Take it away: a message came."""
        self._until.pop(who, None)

    def is_shown_to(self, who: str) -> bool:
        """Tell whether a person sees it now."""
        return self.left_s(who) > 0

    def left_s(self, who: str) -> float:
        """Tell for how long a person sees it yet, in seconds; 0 where he does not."""
        until = self._until.get(who)
        return max((until - self._clock.now()).total_seconds(), 0.0) if until else 0.0
