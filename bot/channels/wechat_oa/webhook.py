"""The account's callback: check, open, commit, answer ``success`` at once.

The answer to the shopper goes out as a customer-service message (``send``). Not there yet: the passive reply within
five seconds (the answer in the callback's own response, retries with the same MsgId joining it, and accounts without
permission for customer-service messages, errcode 48001, answering with the next retry), and merging several messages
into the few that the window allows. Until then an account needs that permission.
"""

from __future__ import annotations

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.channels._http import guard_webhook, read_body
from bot.channels.wechat_oa.envelope import Envelope
from bot.channels.wechat_oa.parse import parse_callback
from bot.channels.wechat_oa.settings import CHANNEL, WechatOaSettings
from bot.domain.channel_ports import OnMessages
from bot.domain.clock import Clock
from bot.domain.errors import BadPayload

MAX_BODY_BYTES = 256 * 1024
_MAX_ECHO_CHARS = 256
_LOG = structlog.get_logger(__name__)


class _Callback:
    """The endpoints, bound to their account."""

    def __init__(self, settings: WechatOaSettings, on_messages: OnMessages, clock: Clock) -> None:
        self._account = settings.account
        self._envelope = Envelope(settings)
        self._on_messages = on_messages
        self._clock = clock

    async def echo(self, request: Request) -> Response:
        """Prove to the platform's console that this address is ours."""
        self._envelope.check(request.query_params, self._clock.now())
        echo = request.query_params.get("echostr", "")
        if not echo or len(echo) > _MAX_ECHO_CHARS:
            raise BadPayload(f"echostr is missing or longer than {_MAX_ECHO_CHARS} characters")
        return PlainTextResponse(echo, headers={"X-Content-Type-Options": "nosniff"})

    async def receive(self, request: Request) -> Response:
        """Take one callback; ``success`` once it is committed."""
        self._envelope.check(request.query_params, self._clock.now())
        body = await read_body(request, MAX_BODY_BYTES)
        parsed = parse_callback(self._envelope.open(request.query_params, body), self._account)
        if parsed.message:
            await self._on_messages([parsed.message])
        else:
            _LOG.info("wechat_callback_without_message", reason=parsed.ignored)
        return PlainTextResponse("success")


def build_router(
    settings: WechatOaSettings, on_messages: OnMessages, clock: Clock, path: str = "/webhooks/wechat_oa"
) -> APIRouter:
    """Build the callback's routes."""
    callback = _Callback(settings, on_messages, clock)
    router = APIRouter(include_in_schema=False)
    router.add_api_route(path, guard_webhook(CHANNEL, callback.echo), methods=["GET"])
    router.add_api_route(path, guard_webhook(CHANNEL, callback.receive), methods=["POST"])
    return router
