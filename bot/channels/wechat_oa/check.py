"""Look at an Official Account's set-up: its credentials from this machine, what it may send, our own webhook.

Source: https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html (return codes) and
.../doc/service/guide/dev/migration.html (where the developer's settings are since the 微信公众平台 gave them away)
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator

import httpx

from bot.channels._api import Answer, call, open_http
from bot.channels.findings import Finding, answered, collect, own_webhook
from bot.channels.reading import text_of
from bot.channels.sealed import signature_of
from bot.channels.wechat_oa.settings import PASSIVE, SERVICE, WechatOaSettings, token_request
from bot.domain.clock import Clock, SystemClock

_BASIC = "微信开发者平台 → 我的业务 → 公众号/服务号 → 基础信息"
_FIXES = {
    "40013": f"copy the AppID ({_BASIC}) into xiaoer.channels.wechat_oa.app_id",
    "40125": f"reset the AppSecret ({_BASIC} → 开发密钥) and set XIAOER_WECHAT_OA_APP_SECRET",
    "40164": f"add this machine's outgoing address to the API IP 白名单 ({_BASIC} → 开发密钥)",
    "40243": f"thaw the AppSecret ({_BASIC} → 开发密钥 → 解冻); it takes ten minutes",
    "50002": "the account is blocked: sign in at mp.weixin.qq.com and read its notices",
}
_NO_PERMISSION = "48001"
_ADDRESS = re.compile(r"invalid ip ([0-9A-Fa-f.:]{3,45})")


async def check_wechat_oa(
    settings: WechatOaSettings,
    webhook: str,
    transport: httpx.AsyncBaseTransport | None = None,
    clock: Clock | None = None,
) -> tuple[Finding, ...]:
    """Look at the account; ``webhook`` is our public address of it, empty when there is none."""
    async with open_http(settings.api_url, transport) as http:
        found = await collect("WeChat", _points(http, settings))
    now = (clock or SystemClock()).now()
    signed = {"timestamp": str(int(now.timestamp())), "nonce": secrets.token_hex(8)}
    proof = {"signature": signature_of(settings.token, *signed.values()), "echostr": secrets.token_hex(8)}
    query = signed | proof
    answers = await own_webhook(webhook, query, query["echostr"], "XIAOER_WECHAT_OA_TOKEN", transport)
    return (*found, answers, *([_by_hand(settings, webhook)] if answers.good else []))


async def _points(http: httpx.AsyncClient, settings: WechatOaSettings) -> AsyncIterator[Finding]:
    if settings.replies == PASSIVE:
        yield Finding("answers go out in WeChat's own call alone (replies: passive), so no AppSecret is needed")
        return
    answer = answered(await call(http, token_request(settings, http)))
    token = text_of(answer.data, "access_token")
    if not token:
        yield _refused(answer)
        return
    yield Finding("AppID and AppSecret give a token")
    yield await _permission(http, token, settings)


def _refused(answer: Answer) -> Finding:
    code = text_of(answer.data, "errcode")
    fix = _FIXES.get(code, "look the code up in the platform's list of return codes (全局返回码)")
    seen = _ADDRESS.search(text_of(answer.data, "errmsg"))
    address = f"; WeChat sees {seen[1]}" if seen else ""
    return Finding(f"WeChat gives no access token (errcode {code}{address})", fix)


async def _permission(http: httpx.AsyncClient, token: str, settings: WechatOaSettings) -> Finding:
    """Ask to show "typing" to nobody: an account that may not send by itself is told so before its addressee is."""
    asked = {"touser": "nobody", "command": "Typing"}
    path, query = "/cgi-bin/message/custom/typing", {"access_token": token}
    answer = await call(http, http.build_request("POST", path, params=query, json=asked))
    if text_of(answer.data, "errcode") != _NO_PERMISSION:
        return Finding("the account may send customer-service messages")
    if settings.replies == SERVICE:
        fix = "set xiaoer.channels.wechat_oa.replies to both, or have the account verified (微信认证)"
        return Finding("the account may not send customer-service messages (errcode 48001)", fix)
    return Finding("the account may not send customer-service messages: late answers wait for the next word")


def _by_hand(settings: WechatOaSettings, webhook: str) -> Finding:
    # The platform tells nobody which address is set; its console checks it when it is saved.
    mode = "安全模式" if settings.encoding_aes_key else "明文模式; 安全模式 is better, set XIAOER_WECHAT_OA_AES_KEY"
    return Finding(f"give it to WeChat by hand: {_BASIC} → 域名与消息推送配置, URL {webhook}, {mode}")
