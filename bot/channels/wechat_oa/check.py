"""Look at an Official Account's set-up: whether its AppID and AppSecret give a token from this machine.

Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from bot.channels._api import call, open_http
from bot.channels.findings import Finding, collect, public_address
from bot.channels.reading import text_of
from bot.channels.wechat_oa.settings import WechatOaSettings, token_request

_FIXES = {
    "40013": "copy the AppID from 设置与开发 → 基本配置 into xiaoer.channels.wechat_oa.app_id",
    "40125": "reset the AppSecret (设置与开发 → 基本配置) and set XIAOER_WECHAT_OA_APP_SECRET",
    "40164": "add this machine's outgoing address to the IP 白名单 (设置与开发 → 基本配置)",
}


async def check_wechat_oa(
    settings: WechatOaSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the account; ``webhook`` is our public address of it, empty when there is none."""
    async with open_http(settings.api_url, transport) as http:
        return await collect("WeChat", _points(http, settings, webhook))


async def _points(http: httpx.AsyncClient, settings: WechatOaSettings, webhook: str) -> AsyncIterator[Finding]:
    answer = await call(http, token_request(settings, http))
    if not text_of(answer.data, "access_token"):
        code = text_of(answer.data, "errcode")
        fix = _FIXES.get(code, "look the code up in the platform's list of return codes")
        yield Finding(f"WeChat gives no access token (errcode {code})", fix)
        return
    yield Finding("AppID and AppSecret give a token")
    mode = "safe mode" if settings.encoding_aes_key else "plain mode; safe mode is better, set XIAOER_WECHAT_OA_AES_KEY"
    # The platform tells nobody which address is set; its console checks it when it is saved.
    wanted = f"set 服务器配置 to {webhook} ({mode}), with the Token of the environment"
    yield public_address(webhook) or Finding(wanted)
