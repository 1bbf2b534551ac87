"""The account's access token: fetched once for all who wait, kept until shortly before its end.

Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html (``stable_token``:
the same token until its last 5 minutes, so that several processes do not push each other's out; ``force_refresh``
makes a new one at once and is limited to 20 a day).
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import httpx

from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.domain.clock import Clock

_EARLY = timedelta(minutes=5)
_WRONG_CREDENTIALS = frozenset({40001, 40002, 40013, 40125})


class TokenRefused(Exception):
    """The platform gives no token; ``lasting`` when asking again cannot help."""

    def __init__(self, reason: str, *, lasting: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting


class TokenVault:
    """Keeps one account's token in this process; concurrent askers share one request."""

    def __init__(self, settings: WechatOaSettings, http: httpx.AsyncClient, clock: Clock) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._lock = asyncio.Lock()
        self._token = ""
        self._good_until: datetime | None = None

    async def token(self) -> str:
        """Give a token that is good now; TokenRefused, or httpx.HTTPError when the platform cannot be reached."""
        async with self._lock:
            if not self._is_good():
                await self._fetch(force=False)
            return self._token

    async def replace(self, refused: str) -> str:
        """Give another token than ``refused``, which the platform no longer takes; one request whoever asks."""
        async with self._lock:
            if self._token == refused:
                await self._fetch(force=False)
            if self._token == refused:
                await self._fetch(force=True)
            return self._token

    def _is_good(self) -> bool:
        return self._good_until is not None and self._clock.now() < self._good_until

    async def _fetch(self, *, force: bool) -> None:
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
        self._token = str(token)
        self._good_until = self._clock.now() + timedelta(seconds=int(answer.get("expires_in", 0))) - _EARLY
