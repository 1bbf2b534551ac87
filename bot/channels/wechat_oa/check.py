"""Look at an Official Account's set-up: whether its AppID and AppSecret give a token from this machine.

Source: https://developers.weixin.qq.com/doc/offiaccount/Basic_Information/getStableAccessToken.html
"""

from __future__ import annotations

import httpx

from bot.channels._api import TIMEOUT_S, text_of
from bot.channels._http import silence_request_logs
from bot.channels.findings import Finding, ask, public_address
from bot.channels.wechat_oa.settings import WechatOaSettings

_FIXES = {
    "40013": "copy the AppID from 设置与开发 → 基本配置 into xiaoer.channels.wechat_oa.app_id",
    "40125": "reset the AppSecret (设置与开发 → 基本配置) and set XIAOER_WECHAT_OA_APP_SECRET",
    "40164": "add this machine's outgoing address to the IP 白名单 (设置与开发 → 基本配置)",
}


async def check_wechat_oa(
    settings: WechatOaSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the account; ``webhook`` is our public address of it, empty when there is none."""
    silence_request_logs()
    body = {
        "grant_type": "client_credential",
        "appid": settings.app_id,
        "secret": settings.app_secret,
        "force_refresh": False,
    }
    async with httpx.AsyncClient(base_url=settings.api_url, timeout=TIMEOUT_S, transport=transport) as http:
        answer = await ask(http, http.build_request("POST", "/cgi-bin/stable_token", json=body), "WeChat")
    if isinstance(answer, Finding):
        return (answer,)
    if not text_of(answer.data, "access_token"):
        code = text_of(answer.data, "errcode")
        fix = _FIXES.get(code, "look the code up in the platform's list of return codes")
        return (Finding(f"WeChat gives no access token (errcode {code})", fix),)
    mode = "safe mode" if settings.encoding_aes_key else "plain mode; safe mode is better, set XIAOER_WECHAT_OA_AES_KEY"
    # The platform tells nobody which address is set; its console checks it when it is saved.
    place = public_address(webhook) or Finding(
        f"set 服务器配置 to {webhook} ({mode}), with the Token of the environment"
    )
    return (Finding("AppID and AppSecret give a token"), place)
