"""Telegram's channel: its webhook (verify the raw header, parse, commit, acknowledge) and a look at its set-up.

Source: https://core.telegram.org/bots/api#setwebhook (``secret_token``, 1-256 characters of ``A-Za-z0-9_-``; anything
but 2xx is delivered again) and #getwebhookinfo.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx
from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from telegram.error import TelegramError

from bot.channels._api import call, open_http
from bot.channels._http import check_header, read_body, take_in, webhook_router
from bot.channels.findings import Finding, collect, webhook_set
from bot.channels.plug import Heard, Lent, Plug, Setup
from bot.channels.reading import mapping, text_of
from bot.channels.telegram.parse import CHANNEL, WANTED_UPDATES, TelegramSettings, parse_update
from bot.channels.telegram.send import TelegramAdapter
from bot.domain.channel_ports import OnMessages
from bot.domain.clock import Clock
from bot.domain.errors import ConfigError

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
MAX_BODY_BYTES = 256 * 1024
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_CONNECT = "run `xiaoer channels connect telegram`"
_MANY_PENDING = 100


class TelegramPlug(Plug[TelegramAdapter]):
    """Telegram, set up."""

    def __init__(self, setup: Setup) -> None:
        self._secret, at = setup.secrets["telegram_secret"], setup.section
        self.settings = TelegramSettings(setup.secrets["telegram_token"], at.username, at.account, at.api_base)

    def adapter(self, lent: Lent) -> TelegramAdapter:
        """Make what sends."""
        del lent
        return TelegramAdapter(self.settings)

    def router(self, adapter: TelegramAdapter, heard: Heard) -> APIRouter:
        """Make the webhook."""
        return build_router(adapter, self._secret, heard.on_messages, heard.clock)

    async def check(self, webhook: str) -> tuple[Finding, ...]:
        """Look at the set-up."""
        return await check_telegram(self.settings, webhook)

    async def connect(self, webhook: str) -> None:
        """Set the webhook; ConfigError with Telegram's reason when it does not take it."""
        adapter = TelegramAdapter(self.settings)
        try:
            await adapter.set_webhook(webhook, self._secret)
        except TelegramError as error:
            raise ConfigError(f"Telegram does not take the webhook {webhook}: {error.message}") from None
        finally:
            await adapter.close()


def build_router(
    adapter: TelegramAdapter,
    secret: str,
    on_messages: OnMessages,
    clock: Clock,
    path: str = "/webhooks/telegram",
) -> APIRouter:
    """Build the webhook's route; ``secret`` is what ``setWebhook`` was given as ``secret_token``.

    Raises ConfigError when the secret is not one Telegram takes.
    """
    if not _SECRET.fullmatch(secret):
        raise ConfigError("the Telegram webhook secret must be 1 to 256 characters of A-Z, a-z, 0-9, _ and -")

    async def receive(request: Request) -> Response:
        """Take one update; 200 once it is committed."""
        check_header(request, SECRET_HEADER, secret, "does not carry this bot's secret; set the webhook again")
        parsed = parse_update(await read_body(request, MAX_BODY_BYTES), adapter.settings, clock.now())
        messages = [parsed.message] if parsed.message else []
        await take_in(CHANNEL, messages, [parsed.ignored] if parsed.ignored else [], on_messages)
        query = parsed.callback_query_id
        # The pressed button stops spinning only when its query is answered; it may fail without harm.
        background = BackgroundTask(adapter.answer_press, query) if query else None
        return JSONResponse({"ok": True}, background=background)

    return webhook_router(CHANNEL, path, receive)


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
