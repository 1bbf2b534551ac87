"""The callback: it only says that there is something to pull. Check, open, ring, answer at once.

Source: https://developer.work.weixin.qq.com/document/path/94670 (``kf_msg_or_event`` with Token and OpenKfId) and
/path/90930 (verification of the address: the sealed ``echostr`` is answered in the clear).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from bot.channels._http import check_echo, echo, read_body, webhook_router
from bot.channels.findings import Finding
from bot.channels.plug import Heard, Lent, Plug, Setup
from bot.channels.sealed import Seal, check_age, read_fields, read_xml
from bot.channels.wecom_kf.check import check_wecom_kf
from bot.channels.wecom_kf.client import KfClient
from bot.channels.wecom_kf.following import SessionFollower
from bot.channels.wecom_kf.pull import KfPuller
from bot.channels.wecom_kf.send import WecomKfAdapter
from bot.channels.wecom_kf.settings import CHANNEL, WecomKfSettings
from bot.domain.clock import Clock, SystemClock
from bot.domain.errors import BadPayload

MAX_BODY_BYTES = 64 * 1024
_MAX_ECHO_CHARS = 512
_MAX_TOKEN_CHARS = 256
_EVENT = "kf_msg_or_event"
_LOG = structlog.get_logger(__name__)

Ring = Callable[[str, str], None]
"""Asks for an account (``open_kfid``) to be pulled with a callback's token; returns at once."""


class WecomKfPlug(Plug[WecomKfAdapter]):
    """Customer service, set up."""

    def __init__(self, setup: Setup) -> None:
        section, secrets = setup.section, setup.secrets
        self.settings = WecomKfSettings(
            corp_id=section.corp_id,
            secret=secrets["wecom_kf_secret"],
            token=secrets["wecom_kf_token"],
            encoding_aes_key=secrets["wecom_kf_aes_key"],
            accounts=section.accounts,
            humans=section.humans,
            api_url=section.api_base,
        )
        self._poll_s = section.poll_s
        self.puller: KfPuller | None = None

    def adapter(self, lent: Lent) -> WecomKfAdapter:
        """Make what sends."""
        client = KfClient(self.settings, lent.clock, shelf=lent.shelf)
        return WecomKfAdapter(self.settings, client, lent.tokens, lent.clock)

    @asynccontextmanager
    async def background(self, adapter: WecomKfAdapter, heard: Heard) -> AsyncIterator[None]:
        """Pull messages, and let sessions follow our owners."""
        self.puller = puller = KfPuller(self.settings, adapter, heard, self._poll_s)
        await puller.start()
        following = asyncio.create_task(SessionFollower(adapter, heard).run(), name="follow-sessions")
        try:
            yield
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            await puller.stop()

    def router(self, adapter: WecomKfAdapter, heard: Heard) -> APIRouter:
        """Make the callback, which rings for the pulling."""
        del adapter
        if self.puller is None:
            raise RuntimeError("the callback was asked for before the pulling was opened")
        return build_router(self.settings, self.puller.ring, heard.clock)

    async def check(self, webhook: str) -> tuple[Finding, ...]:
        """Look at the set-up."""
        return await check_wecom_kf(self.settings, webhook, SystemClock())


class _Callback:
    """The endpoints, bound to their company."""

    def __init__(self, settings: WecomKfSettings, ring: Ring, clock: Clock) -> None:
        self._settings = settings
        self._seal = Seal(settings.token, settings.encoding_aes_key, settings.corp_id)
        self._ring = ring
        self._clock = clock

    async def prove(self, request: Request) -> Response:
        """Prove to WeCom's console that this address is ours."""
        sealed = request.query_params.get("echostr", "")
        check_echo(sealed, "echostr", _MAX_ECHO_CHARS)
        opened = self._seal.open(request.query_params, sealed)
        check_age(request.query_params, self._clock.now())
        return echo(opened)

    async def receive(self, request: Request) -> Response:
        """Take one callback; what it points to is pulled after the answer."""
        sealed = read_xml(await read_body(request, MAX_BODY_BYTES)).get("Encrypt")
        if not isinstance(sealed, str):
            raise BadPayload("the callback holds no Encrypt; WeCom always seals its callbacks")
        inner = self._seal.open(request.query_params, sealed)
        check_age(request.query_params, self._clock.now())
        fields = read_fields(inner)
        open_kfid, token = fields.get("OpenKfId"), fields.get("Token")
        wanted = fields.get("Event") == _EVENT and isinstance(open_kfid, str) and isinstance(token, str)
        if wanted and self._settings.serves(str(open_kfid)):
            self._ring(str(open_kfid), str(token)[:_MAX_TOKEN_CHARS])
        else:
            _LOG.info("wecom_callback_of_no_use", event_type=str(fields.get("Event", ""))[:40])
        return PlainTextResponse("success")


def build_router(settings: WecomKfSettings, ring: Ring, clock: Clock, path: str = "/webhooks/wecom_kf") -> APIRouter:
    """Build the callback's routes."""
    callback = _Callback(settings, ring, clock)
    return webhook_router(CHANNEL, path, callback.receive, callback.prove)
