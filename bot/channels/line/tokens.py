"""Reply tokens: each answers its event once, for about a minute, and costs nothing.

Source: https://developers.line.biz/en/reference/messaging-api/#send-reply-message (used once, within one minute after
the webhook was received; longer is not guaranteed).
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime, timedelta

from bot.domain.clock import Clock

TOKEN_LIFE = timedelta(seconds=50)
_MOST_SENDERS = 10_000
_MOST_TOKENS = 20


class ReplyTokens:
    """The unused tokens of this process by address; lost at a restart, when a push takes their place."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, list[tuple[str, datetime]]] = OrderedDict()

    def keep(self, address: str, token: str) -> None:
        """Keep a token that came just now."""
        good = [*self._take_good(address), (token, self._clock.now() + TOKEN_LIFE)]
        self._kept[address] = good[-_MOST_TOKENS:]
        while len(self._kept) > _MOST_SENDERS:
            self._kept.popitem(last=False)

    def take(self, address: str) -> str:
        """Take the oldest token that is still good, so that a burst's tokens serve several answers; else ``""``."""
        good = self._take_good(address)
        if good[1:]:
            self._kept[address] = good[1:]
        return good[0][0] if good else ""

    def _take_good(self, address: str) -> list[tuple[str, datetime]]:
        now = self._clock.now()
        return [(token, until) for token, until in self._kept.pop(address, ()) if until > now]
