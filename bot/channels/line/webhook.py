"""LINE's webhook: verify the raw bytes, parse, commit, acknowledge.

Source: https://developers.line.biz/en/docs/messaging-api/verify-webhook-signature/ (``x-line-signature``: base64 of the
body's HMAC-SHA256 with the channel secret).
"""

from __future__ import annotations

import base64
import hashlib
import hmac

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bot.channels._http import check_header, read_body, take_in, webhook_router
from bot.channels.line.parse import CHANNEL, parse_webhook
from bot.channels.line.send import LineSettings
from bot.channels.line.tokens import ReplyTokens
from bot.domain.channel_ports import OnMessages

SIGNATURE_HEADER = "x-line-signature"
MAX_BODY_BYTES = 1024 * 1024


def sign(secret: str, body: bytes) -> str:
    """Sign a body as LINE does."""
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode("ascii")


def build_router(
    settings: LineSettings, tokens: ReplyTokens, on_messages: OnMessages, path: str = "/webhooks/line"
) -> APIRouter:
    """Build the webhook's route; ``tokens`` is the adapter's, which answers with them."""

    async def receive(request: Request) -> Response:
        """Take one batch of events; 200 once they are committed."""
        body = await read_body(request, MAX_BODY_BYTES)
        right = sign(settings.channel_secret, body)
        check_header(request, SIGNATURE_HEADER, right, "does not fit the body; check the channel secret")
        parsed = parse_webhook(body, settings.account)
        messages = [each.message for each in parsed if each.message]
        for each in parsed:
            if each.message and each.reply_token:
                # Before the commit: the answer may be ready as soon as the message is in the inbox.
                tokens.keep(each.message.sender.channel_user_id, each.reply_token)
        await take_in(CHANNEL, messages, [each.ignored for each in parsed if each.ignored], on_messages)
        return JSONResponse({})

    return webhook_router(CHANNEL, path, receive)
