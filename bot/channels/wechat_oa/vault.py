"""The account's access token: fetched once for all who wait, kept until shortly before its end.

Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html (``stable_token``:
the same token until its last 5 minutes, so that several processes do not push each other's out; ``force_refresh``
makes a new one at once and is limited to 20 a day).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx

from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.domain.clock import Clock
from bot.domain.shared_ports import KeptToken, TokenShelf

_EARLY = timedelta(minutes=5)
_WRONG_CREDENTIALS = frozenset({40001, 40002, 40013, 40125})


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


class TokenVault:
    """Keeps one account's token on a shelf; whoever asks at the same time, in any process, shares one request."""

    def __init__(
        self, settings: WechatOaSettings, http: httpx.AsyncClient, clock: Clock, shelf: TokenShelf | None = None
    ) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._shelf = shelf or MemoryTokenShelf()
        self._name = f"wechat_oa:{settings.app_id}"

    async def token(self) -> str:
        """Give a token that is good now; TokenRefused, or httpx.HTTPError when the platform cannot be reached."""
        return await self._good_token() or await self._fetch_once()

    async def replace(self, refused: str) -> str:
        """Give another token than ``refused``, which the platform no longer takes; one request whoever asks."""
        async with self._shelf.turn(self._name):
            kept = await self._shelf.read(self._name)
            token = kept.token if kept is not None else refused
            if token == refused:
                token = await self._fetch(force=False)
            if token == refused:
                token = await self._fetch(force=True)
            return token

    async def _fetch_once(self) -> str:
        async with self._shelf.turn(self._name):
            return await self._good_token() or await self._fetch(force=False)

    async def _good_token(self) -> str:
        kept = await self._shelf.read(self._name)
        return kept.token if kept is not None and self._clock.now() < kept.good_until else ""

    async def _fetch(self, *, force: bool) -> str:
        body = {
            "grant_type": "client_credential",
            "appid": self._settings.app_id,
            "secret": self._settings.app_secret,
            "force_refresh": force,
        }
        response = await self._http.post("/cgi-bin/stable_token", json=body)
        response.raise_for_status()
        answer: Any = response.json()
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not token:
            code = answer.get("errcode", 0) if isinstance(answer, dict) else 0
            raise TokenRefused(f"WeChat gives no access token (errcode {code})", lasting=code in _WRONG_CREDENTIALS)
        good_until = self._clock.now() + timedelta(seconds=int(answer.get("expires_in", 0))) - _EARLY
        await self._shelf.write(self._name, KeptToken(str(token), good_until))
        return str(token)
