"""Look at customer service's set-up: credentials, which accounts the API may manage, our own webhook.

Source: https://developer.work.weixin.qq.com/document/path/94661 (account/list: ``manage_privilege``; since December
2023 the secret is that of an app of one's own which 微信客服 lets call the API) and /path/90313 (return codes).
"""

from __future__ import annotations

import re
import secrets
from collections.abc import AsyncIterator, Mapping
from typing import Any

import httpx

from bot.channels.findings import Finding, collect, own_webhook
from bot.channels.reading import listing, text_of
from bot.channels.sealed import Seal, read_xml
from bot.channels.vault import TokenRefused
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.settings import WecomKfSettings
from bot.domain.clock import Clock

_APP = "应用管理 → 自建 → the app"
_CALLERS = "应用管理 → 微信客服 → 可调用接口的应用"
_FIXES = {
    60020: f"add this machine's outgoing address to the 企业可信IP ({_APP})",
    48002: f"let the app call the API and manage the accounts ({_CALLERS})",
    60030: f"let the app call the API and manage the accounts ({_CALLERS})",
    301002: f"let the app call the API and manage the accounts ({_CALLERS})",
}
_ADDRESS = re.compile(r"from ip: ?([0-9A-Fa-f.:]{3,45})")


async def check_wecom_kf(
    settings: WecomKfSettings, webhook: str, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the company; ``webhook`` is our public address of it, empty when there is none."""
    client = KfClient(settings, clock, transport)
    try:
        found = await collect("WeCom", _points(client, settings))
    except TokenRefused as error:
        fix = f"copy the CorpID (我的企业 → 企业信息) into config.yml, and set XIAOER_WECOM_KF_SECRET ({_APP})"
        found = (Finding(error.reason, fix),)
    finally:
        await client.close()
    return (*found, *await _own_webhook(settings, webhook, clock, transport))


async def _points(client: KfClient, settings: WecomKfSettings) -> AsyncIterator[Finding]:
    answer = await client.accounts()
    code = answer["errcode"]
    if code != 0:
        seen = _ADDRESS.search(text_of(answer, "errmsg"))
        address = f"; WeCom sees {seen[1]}" if seen else ""
        fix = _FIXES.get(code, "look the code up in WeCom's list of return codes (全局错误码)")
        yield Finding(f"WeCom lists no accounts (errcode {code}{address})", fix)
        return
    yield Finding("CorpID and secret give a token")
    yield _accounts(settings, answer)


def _accounts(settings: WecomKfSettings, answer: Mapping[str, Any]) -> Finding:
    # An account without the mark is taken to be ours: old companies are not told it.
    rows = [each for each in listing(answer, "account_list") if each.get("manage_privilege") is not False]
    listed = {text_of(each, "open_kfid") for each in rows} - {""}
    missing = [each for each in settings.accounts if each not in listed]
    if missing:
        fix = f"choose among {', '.join(sorted(listed)) or 'none'}, or let the app manage them ({_CALLERS})"
        return Finding(f"the app may not manage {', '.join(missing)}", fix)
    if not listed:
        return Finding("the app may manage no account", f"make one, and let the app manage it ({_CALLERS})")
    return Finding(f"accounts served: {', '.join(settings.accounts or sorted(listed))}")


async def _own_webhook(
    settings: WecomKfSettings, webhook: str, clock: Clock, transport: httpx.AsyncBaseTransport | None
) -> tuple[Finding, ...]:
    """Ask our own webhook as WeCom's console does when it saves the address."""
    word = secrets.token_hex(8)
    seal = Seal(settings.token, settings.encoding_aes_key, settings.corp_id)
    sealed = read_xml(seal.close(word, int(clock.now().timestamp())).encode())
    names = {"msg_signature": "MsgSignature", "timestamp": "TimeStamp", "nonce": "Nonce", "echostr": "Encrypt"}
    query = {name: str(sealed[told]) for name, told in names.items()}
    shared = "XIAOER_WECOM_KF_TOKEN and XIAOER_WECOM_KF_AES_KEY"
    answers = await own_webhook(webhook, query, word, shared, transport)
    if not answers.good:
        return (answers,)
    # The platform tells nobody which address is set; its console checks it when it is saved.
    return answers, Finding(f"give it to WeCom by hand: {_APP} → 接收消息 → 设置API接收, URL {webhook}")
