"""The clock of a simulated shop: the time of another clock, and as far ahead of it as somebody has let it pass."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.clock import Clock
from bot.simulators.phones.words import Unable

MAX_STEP = timedelta(days=7)
MAX_AHEAD = timedelta(days=90)


class PassingClock:
    """A clock on which time can be let pass at once; never back."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = timedelta()

    @property
    def ahead(self) -> timedelta:
        """Tell how far it is ahead."""
        return self._ahead

    def now(self) -> datetime:
        """Tell the time, aware, in UTC."""
        return self._clock.now() + self._ahead

    def let_pass(self, step: timedelta) -> None:
        """Let time pass; Unable for a step that is not forward, or too far."""
        if not timedelta() < step <= MAX_STEP or self._ahead + step > MAX_AHEAD:
            raise Unable("clock", step=MAX_STEP.days, ahead=MAX_AHEAD.days)
        self._ahead += step
