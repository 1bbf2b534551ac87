"""LINE's webhook: verify the raw bytes, parse, commit, acknowledge.

Source: https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/ (``x-line-signature``: base64 of the
body's HMAC-SHA256 with the channel secret).
"""

from __future__ import annotations

import base64
import hashlib
import hmac

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.channels._http import guard_webhook, raw_header, read_body
from bot.channels.line.parse import parse_webhook
from bot.channels.line.settings import CHANNEL, LineSettings
from bot.channels.line.tokens import ReplyTokens
from bot.domain.channel_ports import OnMessages
from bot.domain.errors import BadSignature

SIGNATURE_HEADER = "x-line-signature"
MAX_BODY_BYTES = 1024 * 1024
_LOG = structlog.get_logger(__name__)


def sign(secret: str, body: bytes) -> str:
    """Sign a body as LINE does."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode("ascii")


class _Webhook:
    """The endpoint, bound to its account."""

    def __init__(self, settings: LineSettings, tokens: ReplyTokens, on_messages: OnMessages) -> None:
        self._settings = settings
        self._tokens = tokens
        self._on_messages = on_messages

    async def receive(self, request: Request) -> Response:
        """Take one batch of events; 200 once they are committed."""
        body = await read_body(request, MAX_BODY_BYTES)
        right = sign(self._settings.channel_secret, body).encode("ascii")
        if not hmac.compare_digest(raw_header(request, SIGNATURE_HEADER), right):
            raise BadSignature(f"the header {SIGNATURE_HEADER} does not fit the body; check the channel secret")
        parsed = parse_webhook(body, self._settings.account)
        for each in parsed:
            if each.ignored:
                _LOG.info("line_event_without_message", reason=each.ignored)
            elif each.message and each.reply_token:
                # Before the commit: the answer may be ready as soon as the message is in the inbox.
                self._tokens.keep(each.message.sender.channel_user_id, each.reply_token)
        messages = [each.message for each in parsed if each.message]
        if messages:
            await self._on_messages(messages)
        return JSONResponse({})


def build_router(
    settings: LineSettings, tokens: ReplyTokens, on_messages: OnMessages, path: str = "/webhooks/line"
) -> APIRouter:
    """Build the webhook's route; ``tokens`` is the adapter's, which answers with them."""
    webhook = _Webhook(settings, tokens, on_messages)
    router = APIRouter(include_in_schema=False)
    router.add_api_route(path, guard_webhook(CHANNEL, webhook.receive), methods=["POST"])
    return router
