"""Telegram's webhook: verify the raw header, parse, commit, acknowledge.

Source: https://core.telegram.org/bots/api#setwebhook (``secret_token``, 1-256 characters of ``A-Za-z0-9_-``; anything
but 2xx is delivered again).
"""

from __future__ import annotations

import hmac
import re

import structlog
from fastapi import APIRouter
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.channels._http import guard_webhook, raw_header, read_body
from bot.channels.telegram.parse import CHANNEL, parse_update
from bot.channels.telegram.send import TelegramAdapter
from bot.domain.channel_ports import OnMessages
from bot.domain.clock import Clock
from bot.domain.errors import BadSignature, ConfigError

SECRET_HEADER = "X-Telegram-Bot-Api-Secret-Token"  # noqa: S105 - the header's name
MAX_BODY_BYTES = 256 * 1024
_SECRET = re.compile(r"[A-Za-z0-9_-]{1,256}")
_LOG = structlog.get_logger(__name__)


class _Webhook:
    """The endpoint, bound to its bot."""

    def __init__(self, adapter: TelegramAdapter, secret: str, on_messages: OnMessages, clock: Clock) -> None:
        self._adapter = adapter
        self._secret = secret.encode("ascii")
        self._on_messages = on_messages
        self._clock = clock

    async def receive(self, request: Request) -> Response:
        """Take one update; 200 once it is committed."""
        if not hmac.compare_digest(raw_header(request, SECRET_HEADER), self._secret):
            raise BadSignature(f"the header {SECRET_HEADER} does not carry this bot's secret; set the webhook again")
        body = await read_body(request, MAX_BODY_BYTES)
        parsed = parse_update(body, self._adapter.identity, self._clock.now())
        if parsed.ignored:
            _LOG.info("telegram_update_without_message", reason=parsed.ignored)
        if parsed.message:
            await self._on_messages([parsed.message])
        query = parsed.callback_query_id
        # The pressed button stops spinning only when its query is answered; it may fail without harm.
        background = BackgroundTask(self._adapter.answer_press, query) if query else None
        return JSONResponse({"ok": True}, background=background)


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
    webhook = _Webhook(adapter, secret, on_messages, clock)
    router = APIRouter(include_in_schema=False)
    router.add_api_route(path, guard_webhook(CHANNEL, webhook.receive), methods=["POST"])
    return router
