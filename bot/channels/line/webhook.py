"""LINE's channel: its webhook (verify the raw bytes, parse, commit, acknowledge) and a look at its set-up.

Source: https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/ (``x-line-signature``: base64 of the
body's HMAC-SHA256 with the channel secret), .../reference/messaging-api/#get-bot-info,
#set-webhook-endpoint-url and #test-webhook-endpoint
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import AsyncIterator

import httpx
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.channels._api import open_http
from bot.channels._http import check_header, read_body, take_in, webhook_router
from bot.channels.findings import Finding, ask, collect, told, webhook_set
from bot.channels.line.parse import CHANNEL, parse_webhook
from bot.channels.line.send import LineAdapter, LineSettings
from bot.channels.plug import Heard, Lent, Plug, Setup
from bot.channels.reading import text_of
from bot.domain.channel_ports import OnMessages

SIGNATURE_HEADER = "x-line-signature"
MAX_BODY_BYTES = 1024 * 1024
_TAB = "LINE Developers Console, the channel's tab Messaging API"
_ENDPOINT = "/v2/bot/channel/webhook/endpoint"


class LinePlug(Plug[LineAdapter]):
    """LINE, set up."""

    def __init__(self, setup: Setup) -> None:
        secret, token = (setup.secrets[name] for name in ("line_channel_secret", "line_token"))
        self.settings = LineSettings(secret, token, setup.section.account, setup.section.api_base)

    def adapter(self, lent: Lent) -> LineAdapter:
        """Make what sends."""
        return LineAdapter(self.settings, lent.tokens, lent.clock)

    def router(self, adapter: LineAdapter, heard: Heard) -> APIRouter:
        """Make the webhook."""
        return build_router(adapter.settings, heard.on_messages)

    async def check(self, webhook: str) -> tuple[Finding, ...]:
        """Look at the set-up."""
        return await check_line(self.settings, webhook)

    async def connect(self, webhook: str) -> None:
        """Set the webhook's address; ConfigError with LINE's reason when it does not take it."""
        http = open_http(self.settings.api_url, token=self.settings.access_token)
        await told("LINE", http, "PUT", _ENDPOINT, {"endpoint": webhook})


def sign(secret: str, body: bytes) -> str:
    """Sign a body as LINE does."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode("ascii")


def build_router(settings: LineSettings, on_messages: OnMessages, path: str = "/webhooks/line") -> APIRouter:
    """Build the webhook's route."""

    async def receive(request: Request) -> Response:
        """Take one batch of events; 200 once they are committed."""
        body = await read_body(request, MAX_BODY_BYTES)
        right = sign(settings.channel_secret, body)
        check_header(request, SIGNATURE_HEADER, right, "does not fit the body; check the channel secret")
        parsed = parse_webhook(body, settings.account)
        messages = [each.message for each in parsed if each.message]
        await take_in(CHANNEL, messages, [each.ignored for each in parsed if each.ignored], on_messages)
        return JSONResponse({})

    return webhook_router(CHANNEL, path, receive)


async def check_line(
    settings: LineSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the channel; ``webhook`` is our public address of it, empty when there is none."""
    async with open_http(settings.api_url, transport, token=settings.access_token) as http:
        return await collect("LINE", _points(http, webhook))


async def _points(http: httpx.AsyncClient, webhook: str) -> AsyncIterator[Finding]:
    info = await ask(http, "GET", "/v2/bot/info")
    if not info.good:
        yield Finding("LINE refuses the access token", f"issue another ({_TAB}) and set XIAOER_LINE_TOKEN")
        return
    yield Finding(f"the token is that of {text_of(info.data, 'displayName')} {text_of(info.data, 'basicId')}")
    if text_of(info.data, "chatMode") == "chat":
        yield Finding("the account's inbox answers, not the bot", "Response settings: turn Chat off, Webhooks on")
    endpoint = await ask(http, "GET", _ENDPOINT)
    found = webhook_set(text_of(endpoint.data, "endpoint"), webhook, "run `xiaoer channels connect line`")
    yield found
    if found.good and endpoint.data.get("active") is not True:
        yield Finding("the webhook is switched off", f"turn Use webhook on ({_TAB})")
    tried = await ask(http, "POST", "/v2/bot/channel/webhook/test", json={"endpoint": webhook}) if found.good else info
    if tried.data.get("success") is False:
        fix = "start the server and let LINE reach it; a 401 means another XIAOER_LINE_CHANNEL_SECRET"
        yield Finding(f"LINE's try failed: {text_of(tried.data, 'reason')} {text_of(tried.data, 'detail')}", fix)
