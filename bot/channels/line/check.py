"""Look at a LINE channel's set-up: token, webhook address, whether it is in use.

Source: https://developers.line.biz/en/reference/messaging-api/#get-webhook-endpoint-information and #get-bot-info
"""

from __future__ import annotations

import httpx

from bot.channels._api import TIMEOUT_S, Answer, text_of
from bot.channels.findings import Finding, ask, public_address
from bot.channels.line.settings import LineSettings

_TAB = "LINE Developers Console, the channel's tab Messaging API"


async def check_line(
    settings: LineSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the channel; ``webhook`` is our public address of it, empty when there is none."""
    headers = {"Authorization": f"Bearer {settings.access_token}"}
    async with httpx.AsyncClient(
        base_url=settings.api_url, headers=headers, timeout=TIMEOUT_S, transport=transport
    ) as http:
        info = await ask(http, http.build_request("GET", "/v2/bot/info"), "LINE")
        if isinstance(info, Finding):
            return (info,)
        if not info.good:
            fix = f"issue a channel access token ({_TAB}) and set XIAOER_LINE_TOKEN"
            return (Finding("LINE refuses the access token", fix),)
        endpoint = await ask(http, http.build_request("GET", "/v2/bot/channel/webhook/endpoint"), "LINE")
    found = [Finding(f"the token is that of {text_of(info.data, 'displayName')} {text_of(info.data, 'basicId')}")]
    if text_of(info.data, "chatMode") == "chat":
        fix = "LINE Official Account Manager, Response settings: turn Chat off or hours of Chat as you like, Webhook on"
        found.append(Finding("the account is in chat mode, so its inbox answers instead of the bot", fix))
    return (*found, *_of_webhook(endpoint, webhook))


def _of_webhook(endpoint: Answer | Finding, webhook: str) -> tuple[Finding, ...]:
    if isinstance(endpoint, Finding):
        return (endpoint,)
    wrong = public_address(webhook)
    if wrong:
        return (wrong,)
    set_to = text_of(endpoint.data, "endpoint")
    if set_to != webhook:
        what = f"the webhook is {set_to or 'not set'}, wanted {webhook}"
        return (Finding(what, f"set the Webhook URL to {webhook} ({_TAB}) and press Verify"),)
    if endpoint.data.get("active") is not True:
        return (Finding("the webhook is switched off", f"turn Use webhook on ({_TAB})"),)
    return (Finding(f"the webhook is {webhook} and in use"),)
