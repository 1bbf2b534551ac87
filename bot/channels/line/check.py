"""Look at a LINE channel's set-up: token, webhook address, whether it is in use.

Source: https://developers.line.biz/en/reference/messaging-api/#get-webhook-endpoint-information and #get-bot-info
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from bot.channels._api import call, open_http
from bot.channels.findings import Finding, collect, webhook_set
from bot.channels.line.send import LineSettings
from bot.channels.reading import text_of

_TAB = "LINE Developers Console, the channel's tab Messaging API"


async def check_line(
    settings: LineSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the channel; ``webhook`` is our public address of it, empty when there is none."""
    async with open_http(settings.api_url, transport, token=settings.access_token) as http:
        return await collect("LINE", _points(http, webhook))


async def _points(http: httpx.AsyncClient, webhook: str) -> AsyncIterator[Finding]:
    info = await call(http, http.build_request("GET", "/v2/bot/info"))
    if not info.good:
        fix = f"issue a channel access token ({_TAB}) and set XIAOER_LINE_TOKEN"
        yield Finding("LINE refuses the access token", fix)
        return
    yield Finding(f"the token is that of {text_of(info.data, 'displayName')} {text_of(info.data, 'basicId')}")
    if text_of(info.data, "chatMode") == "chat":
        fix = "LINE Official Account Manager, Response settings: turn Chat off or hours of Chat as you like, Webhook on"
        yield Finding("the account is in chat mode, so its inbox answers instead of the bot", fix)
    endpoint = await call(http, http.build_request("GET", "/v2/bot/channel/webhook/endpoint"))
    fix = f"set the Webhook URL to {webhook} ({_TAB}) and press Verify"
    found = webhook_set(text_of(endpoint.data, "endpoint"), webhook, fix)
    yield found
    if found.good and endpoint.data.get("active") is not True:
        yield Finding("the webhook is switched off", f"turn Use webhook on ({_TAB})")
