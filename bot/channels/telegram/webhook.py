"""Telegram's webhook: verify the raw header, parse, commit, acknowledge.

Source: https://core.telegram.org/bots/api#setwebhook (``secret_token``, 1-256 characters of ``A-Za-z0-9_-``; anything
but 2xx is delivered again).
"""

from __future__ import annotations

import re

from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.channels._http import check_header, read_body, take_in, webhook_router
from bot.channels.telegram.parse import CHANNEL, parse_update
from bot.channels.telegram.send import TelegramAdapter
from bot.domain.channel_ports import OnMessages
from bot.domain.clock import Clock
from bot.domain.errors import ConfigError

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
MAX_BODY_BYTES = 256 * 1024
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")


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
