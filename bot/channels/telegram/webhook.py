"""Telegram's channel: its webhook (verify the raw header, parse, commit, acknowledge) or polling; a look at its set-up.

Source: https://core.telegram.org/bots/api#setwebhook (``secret_token``, 1-256 characters of ``A-Za-z0-9_-``; anything
but 2xx is delivered again), #getwebhookinfo and #getupdates (409 while a webhook is set, or another process asks).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from telegram.error import TelegramError

from bot.channels._api import TIMEOUT_S, Unreached, call, open_http
from bot.channels._http import check_header, read_body, take_in, webhook_router
from bot.channels.findings import Finding, ask, collect, webhook_set
from bot.channels.plug import Heard, Lent, Plug, Setup
from bot.channels.pulling import Polled, keep_asking
from bot.channels.reading import listing, mapping, text_of
from bot.channels.telegram.parse import CHANNEL, WANTED_UPDATES, TelegramSettings, parse_update
from bot.channels.telegram.send import TelegramAdapter
from bot.domain.channel_ports import OnMessages
from bot.domain.clock import Clock
from bot.domain.errors import ConfigError

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
MAX_BODY_BYTES = 256 * 1024
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_CONNECT = "run `xiaoer channels connect telegram`"
POLL_S = 25


class TelegramPlug(Plug[TelegramAdapter]):
    """Telegram, set up."""

    def __init__(self, setup: Setup) -> None:
        self._secret, at = setup.secrets["telegram_secret"], setup.section
        token = setup.secrets["telegram_token"]
        self.settings = TelegramSettings(token, at.username, at.account, at.api_base, not at.called)

    def adapter(self, lent: Lent) -> TelegramAdapter:
        """Make what sends."""
        del lent
        return TelegramAdapter(self.settings)

    def router(self, adapter: TelegramAdapter, heard: Heard) -> APIRouter:
        """Make the webhook; there is none while updates are asked for."""
        updates = Updates(adapter, heard.on_messages, heard.clock)
        return APIRouter() if self.settings.polls else build_router(updates, self._secret)

    def background(self, adapter: TelegramAdapter, heard: Heard) -> AbstractAsyncContextManager[None]:
        """Ask for updates, where the webhook is not used."""
        updates = Updates(adapter, heard.on_messages, heard.clock)
        polled = Polled(CHANNEL, updates.ask, updates.answer, heard.leads)
        return keep_asking(polled) if self.settings.polls else super().background(adapter, heard)

    async def check(self, webhook: str) -> tuple[Finding, ...]:
        """Look at the set-up."""
        return await check_telegram(self.settings, webhook)

    async def connect(self, webhook: str) -> None:
        """Set the webhook, or take it away to poll; ConfigError with Telegram's reason when it does not take it."""
        async with TelegramAdapter(self.settings) as adapter:
            try:
                await adapter.set_webhook(webhook, self._secret)
            except TelegramError as error:
                raise ConfigError(f"Telegram does not take the webhook {webhook}: {error.message}") from None


@dataclass(frozen=True, slots=True)
class Updates:
    """Takes updates in, delivered or asked for; ``transport`` replaces the network in tests."""

    adapter: TelegramAdapter
    on_messages: OnMessages
    clock: Clock
    transport: httpx.AsyncBaseTransport | None = None

    async def take(self, update: bytes | Mapping[str, Any]) -> str:
        """Commit one update, and give the press that wants an answer."""
        parsed = parse_update(update, self.adapter.settings, self.clock.now())
        await take_in(CHANNEL, parsed.messages, parsed.ignored, self.on_messages)
        return parsed.callback_query_id

    async def answer(self, update: Mapping[str, Any]) -> None:
        """Commit an update that was asked for, and answer its press."""
        if query := await self.take(update):
            await self.adapter.answer_press(query)

    async def ask(self, position: int) -> tuple[Sequence[Mapping[str, Any]], int]:
        """Wait for updates from ``position`` on, which confirms those before it.

        After an empty answer it is 0: all is confirmed, and after a quiet week Telegram numbers anew, maybe from below.
        """
        body = {"offset": position, "timeout": POLL_S, "allowed_updates": WANTED_UPDATES}
        async with open_http(self.adapter.settings.base_url, self.transport) as http:
            request = http.build_request("POST", "getUpdates", json=body, timeout=POLL_S + TIMEOUT_S)
            answer = await call(http, request)
        if not answer.good:
            raise Unreached(f"{text_of(answer.data, 'description')}; `xiaoer channels check telegram` says what to do")
        updates = listing(answer.data, "result")
        return updates, int(text_of(updates[-1], "update_id")) + 1 if updates else 0


def build_router(updates: Updates, secret: str, path: str = "/webhooks/telegram") -> APIRouter:
    """Build the webhook's route; ``secret`` is what ``setWebhook`` was given as ``secret_token``.

    Raises ConfigError when the secret is not one Telegram takes.
    """
    if not _SECRET.fullmatch(secret):
        raise ConfigError("the Telegram webhook secret must be 1 to 256 characters of A-Z, a-z, 0-9, _ and -")

    async def receive(request: Request) -> Response:
        """Take one update; 200 once it is committed."""
        check_header(request, SECRET_HEADER, secret, "does not carry this bot's secret; set the webhook again")
        query = await updates.take(await read_body(request, MAX_BODY_BYTES))
        # The pressed button stops spinning only when its query is answered; it may fail without harm.
        background = BackgroundTask(updates.adapter.answer_press, query) if query else None
        return JSONResponse({"ok": True}, background=background)

    return webhook_router(CHANNEL, path, receive)


async def check_telegram(
    settings: TelegramSettings, webhook: str, transport: httpx.AsyncBaseTransport | None = None
) -> tuple[Finding, ...]:
    """Look at the bot; ``webhook`` is our public address of it, empty when there is none."""
    async with open_http(settings.base_url, transport) as http:
        return await collect("Telegram", _points(http, settings, webhook))


async def _points(http: httpx.AsyncClient, settings: TelegramSettings, webhook: str) -> AsyncIterator[Finding]:
    me = await ask(http, "POST", "getMe")
    if not me.good:
        yield Finding("Telegram refuses the token", "copy it from @BotFather into XIAOER_TELEGRAM_TOKEN")
        return
    bot = mapping(me.data, "result")
    name = text_of(bot, "username")
    yield Finding(f"the token is that of @{name}")
    if settings.username and settings.mention != f"@{name.lower()}":
        fix = f"set xiaoer.channels.telegram.username to {name}, else groups are not answered"
        yield Finding(f"config.yml names another bot, {settings.mention}", fix)
    if bot.get("can_read_all_group_messages") is True:
        fix = "send /setprivacy to @BotFather and choose Enable: the bot answers only when addressed"
        yield Finding("the bot reads every message of its groups", fix)
    info = await ask(http, "POST", "getWebhookInfo")
    for found in _of_webhook(mapping(info.data, "result"), webhook, settings):
        yield found


def _of_webhook(info: Mapping[str, Any], webhook: str, settings: TelegramSettings) -> Iterator[Finding]:
    url = text_of(info, "url")
    polled = Finding(f"the webhook is {url or 'not set'}, and we ask for updates", url and _CONNECT)
    address = polled if settings.polls else webhook_set(url, webhook, _CONNECT)
    yield address
    if settings.polls or not address.good:
        return
    allowed = info.get("allowed_updates")
    if isinstance(allowed, list) and not {*WANTED_UPDATES} <= {str(each) for each in allowed}:
        yield Finding("the webhook is not told everything", _CONNECT)
    waiting, error = info.get("pending_update_count"), text_of(info, "last_error_message")[:120]
    if error and waiting != 0:
        fix = "open that address from outside; a 401 means that the secret differs: " + _CONNECT
        yield Finding(f"Telegram's last delivery failed, and {waiting} updates wait: {error}", fix)
