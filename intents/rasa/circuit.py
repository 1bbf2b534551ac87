"""When to stop asking a server that does not answer, and when to try it again."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.domain.clock import Clock

MOST_FAILURES = 3
FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=30)


class Circuit:
    """Closed: all may ask. Open, after failures in a row: nobody asks. Half-open, when the wait is over: one may try.

    The wait doubles with every try that fails, up to ``LONGEST_WAIT``.
    """

    def __init__(self, clock: Clock, most_failures: int = MOST_FAILURES) -> None:
        """Start closed."""
        self._clock = clock
        self._most_failures = most_failures
        self._failures = 0
        self._wait = FIRST_WAIT
        self._try_again_at: datetime | None = None
        self._trying = False

    @property
    def is_open(self) -> bool:
        """Tell whether asking has been given up for now."""
        return self._try_again_at is not None

    def admits(self) -> bool:
        """Tell whether the caller may ask; who is told yes must report what came of it."""
        if self._try_again_at is None:
            return True
        if self._trying or self._clock.now() < self._try_again_at:
            return False
        self._trying = True
        return True

    def succeeded(self) -> bool:
        """Note an answer; True when it closes an open circuit."""
        closes = self.is_open
        self._failures = 0
        self._wait = FIRST_WAIT
        self._try_again_at = None
        self._trying = False
        return closes

    def failed(self) -> bool:
        """Note a failure; True when it opens a closed circuit."""
        self._trying = False
        if self._try_again_at is not None:
            self._wait = min(self._wait * 2, LONGEST_WAIT)
            self._try_again_at = self._clock.now() + self._wait
            return False
        self._failures += 1
        if self._failures < self._most_failures:
            return False
        self._try_again_at = self._clock.now() + self._wait
        return True

    def abandoned(self) -> None:
        """Note that the caller went away before an answer came; says nothing about the server."""
        self._trying = False
