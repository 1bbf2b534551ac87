"""Reply tokens: each answers its event once, for about a minute, and costs nothing.

Source: https://developers.line.biz/en/reference/messaging-api/#send-reply-message (used once, within one minute after
the webhook was received; longer is not guaranteed).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.clock import Clock

TOKEN_LIFE = timedelta(seconds=50)
_MOST_SENDERS = 10_000
_MOST_TOKENS = 20


@dataclass(frozen=True, slots=True)
class ReplyToken:
    """One token and when it stops being good."""

    value: str = field(repr=False)
    good_until: datetime


class ReplyTokens:
    """The unused tokens of this process by address; lost at a restart, when a push takes their place."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, Sequence[ReplyToken]] = OrderedDict()

    def keep(self, address: str, value: str) -> None:
        """Keep a token that came just now."""
        good = [token for token in self._kept.pop(address, ()) if token.good_until > self._clock.now()]
        self._kept[address] = [*good, ReplyToken(value, self._clock.now() + TOKEN_LIFE)][-_MOST_TOKENS:]
        while len(self._kept) > _MOST_SENDERS:
            self._kept.popitem(last=False)

    def take(self, address: str) -> ReplyToken | None:
        """Take the oldest token that is still good, so that a burst's tokens serve several answers."""
        good = [token for token in self._kept.pop(address, ()) if token.good_until > self._clock.now()]
        if not good:
            return None
        if good[1:]:
            self._kept[address] = good[1:]
        return good[0]
