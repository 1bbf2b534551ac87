"""An account's access token: fetched once for all who wait, kept until shortly before its end."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain.clock import Clock
from bot.domain.shared_ports import KeptToken, TokenShelf

_EARLY = timedelta(minutes=5)
# Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html (20 times a day,
# at least 30 s apart): a token that is refused for another reason than its end must not burn them.
_FORCED_EVERY = timedelta(minutes=80)
_FORCED_AGAIN = timedelta(minutes=5)


class TokenRefused(Exception):
    """The platform gives no token; ``lasting`` when asking again cannot help."""

    def __init__(self, reason: str, *, lasting: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


class MemoryTokenShelf:
    """The twin of the port ``TokenShelf`` for one process."""

    def __init__(self) -> None:
        self._kept: dict[str, KeptToken] = {}
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def read(self, name: str) -> KeptToken | None:
        """Give what was kept last, also when it is no longer good; None when there is nothing."""
        return self._kept.get(name)

    async def write(self, name: str, kept: KeptToken) -> None:
        """Keep a token in place of the one before."""
        self._kept[name] = kept

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Hold the right to fetch; whoever else asks waits."""
        async with self._locks[name]:
            yield


@dataclass(frozen=True, slots=True)
class Fetched:
    """A token as the platform gives it, good for ``lasts_s`` seconds."""

    token: str = field(repr=False)
    lasts_s: int


Fetch = Callable[[bool], Awaitable[Fetched]]
"""Asks the platform for a token; True: for another than the one it gave last. TokenRefused when it gives none."""


class TokenVault:
    """Keeps one account's token on a shelf; whoever asks at the same time, in any process, shares one request."""

    def __init__(self, name: str, fetch: Fetch, clock: Clock, shelf: TokenShelf | None = None) -> None:
        self._name = name
        self._ask = fetch
        self._clock = clock
        self._shelf = shelf or MemoryTokenShelf()

    async def token(self) -> str:
        """Give a token that is good now; TokenRefused, or what the request raises."""
        return await self._good_token() or await self._fetch_once()

    async def replace(self, refused: str) -> str:
        """Give another token than ``refused``, which the platform no longer takes; one request whoever asks.

        It may be the same when the platform gives no other, which is asked for only now and then.
        """
        async with self._shelf.turn(self._name):
            kept = await self._shelf.read(self._name)
            token = kept.token if kept is not None else refused
            if token == refused:
                token = await self._fetch(force=False)
            return token if token != refused else await self._force(refused)

    async def _fetch_once(self) -> str:
        async with self._shelf.turn(self._name):
            return await self._good_token() or await self._fetch(force=False)

    async def _force(self, refused: str) -> str:
        """Ask for another token than the platform gives, or give ``refused`` when any process has done so lately."""
        name, now = f"{self._name}:forced", self._clock.now()
        last = await self._shelf.read(name)
        if last is not None and now < last.good_until:
            return refused
        await self._shelf.write(name, KeptToken("", now + _FORCED_EVERY))
        try:
            return await self._fetch(force=True)
        except TokenRefused:
            raise
        except Exception:
            # Whether it counts nobody knows: it is made again soon, and not with every message.
            await self._shelf.write(name, KeptToken("", now + _FORCED_AGAIN))
            raise

    async def _good_token(self) -> str:
        kept = await self._shelf.read(self._name)
        return kept.token if kept is not None and self._clock.now() < kept.good_until else ""

    async def _fetch(self, *, force: bool) -> str:
        fetched = await self._ask(force)
        # WeCom gives the same token until it is over: one near its end must not be asked for at every call.
        lasts = timedelta(seconds=fetched.lasts_s)
        good_until = self._clock.now() + lasts - min(_EARLY, lasts / 2)
        await self._shelf.write(self._name, KeptToken(fetched.token, good_until))
        return fetched.token
