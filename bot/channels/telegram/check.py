"""Look at a Telegram bot's set-up: token, webhook, and what Telegram says went wrong last.

Source: https://core.telegram.org/bots/api#getwebhookinfo
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx

from bot.channels._api import call, open_http
from bot.channels.findings import Finding, collect, webhook_set
from bot.channels.reading import mapping, text_of
from bot.channels.telegram.parse import WANTED_UPDATES, TelegramSettings

_CONNECT = "run `xiaoer channels connect telegram`"
_MANY_PENDING = 100


async def check_telegram(
    settings: TelegramSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the bot; ``webhook`` is our public address of it, empty when there is none."""
    async with open_http(f"{settings.api_url.rstrip('/')}/bot{settings.token}/", transport) as http:
        return await collect("Telegram", _points(http, settings, webhook))


async def _points(http: httpx.AsyncClient, settings: TelegramSettings, webhook: str) -> AsyncIterator[Finding]:
    me = await call(http, http.build_request("POST", "getMe"))
    if not me.good:
        yield Finding("Telegram refuses the token", "copy it from @BotFather into XIAOER_TELEGRAM_TOKEN")
        return
    bot = mapping(me.data, "result")
    name = text_of(bot, "username")
    yield Finding(f"the token is that of @{name}")
    if settings.username and settings.username.lower() != name.lower():
        fix = f"set xiaoer.channels.telegram.username to {name}, else groups are not answered"
        yield Finding(f"config.yml names another bot, @{settings.username}", fix)
    if bot.get("can_read_all_group_messages") is True:
        fix = "send /setprivacy to @BotFather and choose Enable: the bot answers only when addressed"
        yield Finding("the bot reads every message of its groups", fix)
    info = await call(http, http.build_request("POST", "getWebhookInfo"))
    for found in _of_webhook(mapping(info.data, "result"), webhook):
        yield found


def _of_webhook(info: Mapping[str, Any], webhook: str) -> Iterator[Finding]:
    address = webhook_set(text_of(info, "url"), webhook, _CONNECT)
    yield address
    if not address.good:
        return
    allowed = info.get("allowed_updates")
    if isinstance(allowed, list) and not {*WANTED_UPDATES} <= {str(each) for each in allowed}:
        yield Finding("the webhook is not told everything", _CONNECT)
    if text_of(info, "last_error_message"):
        fix = "open that address from outside; a 401 means that the secret differs: " + _CONNECT
        yield Finding(f"Telegram's last delivery failed: {text_of(info, 'last_error_message')[:120]}", fix)
    pending = int(text_of(info, "pending_update_count") or 0)
    if pending > _MANY_PENDING:
        yield Finding(f"{pending} updates wait to be delivered", "start the server; they come by themselves")
