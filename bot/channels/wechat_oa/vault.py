"""Where the account's access token comes from.

Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html (``stable_token``:
the same token until its last 5 minutes, so that several processes do not push each other's out; ``force_refresh``
makes a new one at once and is limited to 20 a day).
"""

from __future__ import annotations

from typing import Any

import httpx

from bot.channels.vault import Fetched, TokenRefused, TokenVault
from bot.channels.wechat_oa.settings import WechatOaSettings
from bot.domain.clock import Clock
from bot.domain.shared_ports import TokenShelf

_WRONG_CREDENTIALS = frozenset({40001, 40002, 40013, 40125})


def make_vault(
    settings: WechatOaSettings, http: httpx.AsyncClient, clock: Clock, shelf: TokenShelf | None = None
) -> TokenVault:
    """Make the vault of one account."""

    async def fetch(force: bool) -> Fetched:
        body = {
            "grant_type": "client_credential",
            "appid": settings.app_id,
            "secret": settings.app_secret,
            "force_refresh": force,
        }
        response = await http.post("/cgi-bin/stable_token", json=body)
        response.raise_for_status()
        answer: Any = response.json()
        token = answer.get("access_token") if isinstance(answer, dict) else None
        if not token:
            code = answer.get("errcode", 0) if isinstance(answer, dict) else 0
            raise TokenRefused(f"WeChat gives no access token (errcode {code})", lasting=code in _WRONG_CREDENTIALS)
        return Fetched(str(token), int(answer.get("expires_in", 0)))

    return TokenVault(f"wechat_oa:{settings.app_id}", fetch, clock, shelf)
