"""Look at customer service's set-up: whether the secret gives a token, and which accounts the API may manage.

Source: https://developer.work.weixin.qq.com/document/path/94661 (account/list) and /path/90313 (return codes).
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from bot.channels.findings import Finding, collect, public_address
from bot.channels.reading import listing, text_of
from bot.channels.vault import TokenRefused
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.settings import WecomKfSettings
from bot.domain.clock import Clock

_NOT_TRUSTED = 60020


async def check_wecom_kf(
    settings: WecomKfSettings, webhook: str, clock: Clock, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the company; ``webhook`` is our public address of it, empty when there is none."""
    client = KfClient(settings, clock, transport)
    try:
        return await collect("WeCom", _points(client, settings, webhook))
    except TokenRefused as error:
        return (Finding(error.reason, "copy the CorpID (我的企业) and set XIAOER_WECOM_KF_SECRET (微信客服 → API)"),)
    finally:
        await client.close()


async def _points(client: KfClient, settings: WecomKfSettings, webhook: str) -> AsyncIterator[Finding]:
    answer = await client.post("account/list", {"offset": 0, "limit": 100})
    if answer["errcode"] != 0:
        trusted = "add this machine's outgoing address to the 企业可信IP"
        fix = trusted if answer["errcode"] == _NOT_TRUSTED else "let the API manage the accounts (微信客服 → API)"
        yield Finding(f"WeCom lists no accounts (errcode {answer['errcode']})", fix)
        return
    yield Finding("CorpID and secret give a token")
    yield _accounts(settings, answer)
    # The platform tells nobody which address is set; its console checks it when it is saved.
    yield public_address(webhook) or Finding(f"set the callback (微信客服 → API) to {webhook}")


def _accounts(settings: WecomKfSettings, answer: object) -> Finding:
    listed = {text_of(each, "open_kfid") for each in listing(answer, "account_list")} - {""}
    missing = [each for each in settings.accounts if each not in listed]
    if missing:
        fix = f"choose among {', '.join(sorted(listed)) or 'none'}, or let the API manage them (微信客服 → API)"
        return Finding(f"the API may not manage {', '.join(missing)}", fix)
    if not listed:
        return Finding("the API may manage no account", "make one, and let the API manage it (微信客服 → API)")
    return Finding(f"accounts served: {', '.join(settings.accounts or sorted(listed))}")
