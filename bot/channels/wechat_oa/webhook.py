"""The account's callback: check, open, commit, then answer in the response, or ``success``.

With ``passive`` the answer of the turn goes out in the callback's own response when it is there in time (``passive``);
what is not goes out as a customer-service message (``send``). Without it every answer does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from bot.channels._http import check_echo, echo, read_body, take_in, webhook_router
from bot.channels.findings import Finding
from bot.channels.plug import Heard, Lent, Plug, Setup
from bot.channels.wechat_oa.check import check_wechat_oa
from bot.channels.wechat_oa.envelope import Envelope
from bot.channels.wechat_oa.parse import parse_callback
from bot.channels.wechat_oa.passive import PassivePorts, PassiveReplies, Verdict, exchange_key
from bot.channels.wechat_oa.reply import text_reply
from bot.channels.wechat_oa.send import WechatOaAdapter
from bot.channels.wechat_oa.settings import CHANNEL, SERVICE, WechatOaSettings
from bot.domain.channel_ports import OnMessages
from bot.domain.clock import Clock
from bot.domain.line_ports import Accepted
from bot.domain.messages import InboundMessage, MessageKind

MAX_BODY_BYTES = 256 * 1024
_MAX_ECHO_CHARS = 256
_SUCCESS = "success"


class WechatOaPlug(Plug[WechatOaAdapter]):
    """An Official Account, set up."""

    def __init__(self, setup: Setup) -> None:
        section, secrets = setup.section, setup.secrets
        self.settings = WechatOaSettings(
            app_id=section.app_id,
            app_secret=secrets["wechat_oa_app_secret"],
            token=secrets["wechat_oa_token"],
            encoding_aes_key=secrets["wechat_oa_aes_key"],
            account=section.account,
            api_url=section.api_base,
            replies=section.replies,
        )

    def adapter(self, lent: Lent) -> WechatOaAdapter:
        """Make what sends."""
        return WechatOaAdapter(self.settings, lent.clock, shelf=lent.shelf)

    def router(self, adapter: WechatOaAdapter, heard: Heard) -> APIRouter:
        """Make the callback."""
        passive = None
        if self.settings.replies != SERVICE:
            ports = PassivePorts(heard.exchanges, heard.live, heard.clock, heard.ring)
            passive = PassiveReplies(ports, adapter.is_alone)
        return build_router(self.settings, heard.on_messages, heard.clock, passive=passive)

    async def check(self, webhook: str) -> tuple[Finding, ...]:
        """Look at the set-up."""
        return await check_wechat_oa(self.settings, webhook)


class _Callback:
    """The endpoints, bound to their account."""

    def __init__(
        self, settings: WechatOaSettings, on_messages: OnMessages, clock: Clock, passive: PassiveReplies | None
    ) -> None:
        self._account = settings.account
        self._envelope = Envelope(settings)
        self._on_messages = on_messages
        self._clock = clock
        self._passive = passive

    async def prove(self, request: Request) -> Response:
        """Prove to the platform's console that this address is ours."""
        self._envelope.check(request.query_params, self._clock.now())
        return echo(check_echo(request.query_params.get("echostr", ""), "echostr", _MAX_ECHO_CHARS))

    async def receive(self, request: Request) -> Response:
        """Take one callback; ``success`` once it is committed."""
        since_s = asyncio.get_running_loop().time()
        self._envelope.check(request.query_params, self._clock.now())
        body = await read_body(request, MAX_BODY_BYTES)
        fields = self._envelope.open(request.query_params, body)
        parsed = parse_callback(fields, self._account)
        if parsed.message is None:
            await take_in(CHANNEL, [], [parsed.ignored], self._on_messages)
            return PlainTextResponse(_SUCCESS)
        (accepted,) = await take_in(CHANNEL, [parsed.message], [], self._on_messages)
        if self._passive is None or parsed.message.kind is MessageKind.UNFOLLOW:
            return PlainTextResponse(_SUCCESS)
        verdict = await self._passive.answer(parsed.message, accepted, since_s)
        return self._reply(self._passive, parsed.message, accepted, verdict, str(fields.get("ToUserName", "")))

    def _reply(
        self, passive: PassiveReplies, message: InboundMessage, accepted: Accepted, verdict: Verdict, account: str
    ) -> Response:
        if verdict.again:
            return _nobody_listens()
        if not verdict.answer:
            return PlainTextResponse(_SUCCESS)
        created_at = int(self._clock.now().timestamp())
        xml = text_reply(message.sender.channel_user_id, account, created_at, verdict.answer)

        async def told(heard: bool) -> None:
            await passive.told(exchange_key(message), accepted.conversation_id, verdict.call, heard=heard)

        return _Answer(self._envelope.seal(xml, created_at), verdict.until_s, told)


def _nobody_listens() -> Response:
    """Answer a call that WeChat has hung up on: it calls again."""
    return PlainTextResponse("", status_code=504)


class _Answer(Response):
    """A reply that tells whether it was heard: it was not when WeChat had hung up, or must have by then."""

    media_type = "application/xml"

    def __init__(self, xml: str, until_s: float, told: Callable[[bool], Awaitable[None]]) -> None:
        super().__init__(xml)
        self._until_s = until_s
        self._told = told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Write the response, then record it."""
        # A proxy between may keep the line open, so that the time counts as well.
        late = asyncio.get_running_loop().time() > self._until_s
        heard = not late and not await Request(scope, receive).is_disconnected()
        try:
            await (super().__call__ if heard else _nobody_listens())(scope, receive, send)
        except OSError:
            heard = False
        await self._told(heard)


def build_router(
    settings: WechatOaSettings,
    on_messages: OnMessages,
    clock: Clock,
    path: str = "/webhooks/wechat_oa",
    passive: PassiveReplies | None = None,
) -> APIRouter:
    """Build the callback's routes; ``passive`` answers in the response."""
    callback = _Callback(settings, on_messages, clock, passive)
    return webhook_router(CHANNEL, path, callback.receive, callback.prove)
