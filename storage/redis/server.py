"""The connection to Redis, and whether it is there."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

_LOG = logging.getLogger(__name__)
_CONNECT_TIMEOUT_S = 1.0
_TIMEOUT_S = 2.0
_PAUSE_S = 1.0

GONE = (RedisError, OSError, TimeoutError)
"""What is raised when Redis cannot be used now."""


def connect(url: str, timeout_s: float = _TIMEOUT_S) -> Redis:
    """Make a client that gives up soon; the connection is made at first use."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=_CONNECT_TIMEOUT_S,
        socket_keepalive=True,
        health_check_interval=15,
        retry=Retry(NoBackoff(), 1),
    )


class Availability:
    """Remembers that Redis is away, so that not everybody waits for it over and over.

    After a failure nobody asks for ``pause_s`` seconds; it is logged when it goes away and when it is back.
    """

    def __init__(self, pause_s: float = _PAUSE_S, now: Callable[[], float] = time.monotonic) -> None:
        self._pause_s = pause_s
        self._now = now
        self._asked_from = 0.0
        self._away = False

    @property
    def is_away(self) -> bool:
        """Tell whether not to ask now."""
        return self._away and self._now() < self._asked_from

    def failed(self, problem: BaseException) -> None:
        """Note a failure."""
        self._asked_from = self._now() + self._pause_s
        if not self._away:
            self._away = True
            _LOG.warning("Redis cannot be used (%s); the sweep takes the place of its bells", type(problem).__name__)

    def worked(self) -> None:
        """Note a success."""
        if self._away:
            self._away = False
            _LOG.warning("Redis is back")
