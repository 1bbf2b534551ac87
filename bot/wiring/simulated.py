"""The simulated platforms behind the phones, put in front of the real adapters; loaded only when asked for."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.request import getproxies

import httpx
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp

from bot.channels.web.gate import Rates
from bot.channels.web.routes import WidgetPorts, WidgetSettings, build_router
from bot.channels.web.tokens import VisitorTokens
from bot.config import Secrets
from bot.domain.customers import SIMULATED
from bot.simulators.line.people import LinePeople
from bot.simulators.line.phone import LinePhone
from bot.simulators.line.server import LineServer
from bot.simulators.media import MediaHold, WithMedia, graph_media, line_media, telegram_media, tencent_media
from bot.simulators.messenger.people import MessengerPeople
from bot.simulators.messenger.phone import InstagramPhone, MessengerPhone
from bot.simulators.messenger.server import MessengerServer
from bot.simulators.meta.graph import MetaApp
from bot.simulators.phones.clock import PassingClock
from bot.simulators.phones.journal import Journal
from bot.simulators.phones.page import PhonePage
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.serving import serve
from bot.simulators.phones.wire import OverheardApi, Wire
from bot.simulators.telegram.people import TelegramPeople
from bot.simulators.telegram.phone import TelegramPhone
from bot.simulators.telegram.server import TelegramServer
from bot.simulators.web.phone import WebPhone
from bot.simulators.wechat_oa.people import WechatPeople
from bot.simulators.wechat_oa.phone import WechatPhone
from bot.simulators.wechat_oa.server import WechatServer
from bot.simulators.wecom_kf.people import KfPeople
from bot.simulators.wecom_kf.phone import KfPhone
from bot.simulators.wecom_kf.server import KfServer
from bot.simulators.whatsapp.people import WhatsappPeople
from bot.simulators.whatsapp.phone import WhatsappPhone
from bot.simulators.whatsapp.server import WhatsappServer
from bot.wiring.afterwards import Afterwards
from bot.wiring.house import House
from bot.wiring.media import make_shopper_media
from bot.wiring.simulation import PLACE, Simulation

_SITE = f"{PLACE}/site"
# As long as time can be let pass: who holds a phone stays the same visitor.
_TOKEN_LIFE_S = 365 * 24 * 60 * 60


class PhoneBooth:
    """The platforms and phones of a simulation, as long as its house is open."""

    def __init__(self, simulation: Simulation, secrets: Secrets, clock: PassingClock) -> None:
        self._config = simulation.config
        self._secrets = secrets
        self._listener = simulation.listener
        self._clock = clock
        self._base = "http://{}:{}".format(*self._listener.getsockname())
        self._platforms: list[BaseRoute] = []
        server = self._config.server
        self._shop = f"http://{server.host}:{server.port}"
        self._makers: tuple[Callable[[], Phone], ...] = (
            self._wechat_oa,
            self._wecom_kf,
            self._telegram,
            self._whatsapp,
            self._messenger,
            self._instagram,
            self._line,
            self._web,
        )

    @asynccontextmanager
    async def before(self) -> AsyncIterator[None]:
        """Serve the platforms' APIs on a port of their own, before anything of the house calls them."""
        _spare_the_proxy()
        self._phones = [make() for make in self._makers]
        async with serve(Starlette(routes=self._platforms), self._listener):
            yield

    @asynccontextmanager
    async def beside(self, application: FastAPI, opened: House) -> AsyncIterator[None]:
        """Put the page, and the widget of its simulated site, into the application."""
        settings = WidgetSettings(account=f"{SIMULATED}web", shop_page=False)
        ports = WidgetPorts(
            opened.heard.on_messages,
            opened.stores.stream,
            opened.live,
            opened.clock,
            on_read=Afterwards(opened.stores.database, opened.live, opened.clock).on_read,
            media=make_shopper_media(self._config, opened.stores.database, opened.clock),
        )
        tokens = VisitorTokens(opened.secrets.secret_key, settings.account, opened.clock, _TOKEN_LIFE_S)
        application.include_router(build_router(settings, ports, tokens, Rates(opened.shared.rates)), prefix=_SITE)
        shop = self._config.shop
        page = PhonePage(PLACE, self._phones, {"zh": shop.name_zh, "en": shop.name_en}, self._clock)
        application.router.routes.extend(page.routes())
        try:
            yield
        finally:
            for phone in self._phones:
                await phone.close()

    def _wire(self, name: str, platform: ASGIApp | None = None) -> Wire:
        hidden = [value for value in self._secrets.model_dump().values() if isinstance(value, str)]
        journal = Journal(lambda: self._clock.now().isoformat(), hidden)
        if platform is not None:
            self._platforms.append(Mount(f"/{name}", app=OverheardApi(platform, journal)))
        return Wire(journal)

    def _client(self, wire: Wire, path: str = "") -> httpx.AsyncClient:
        return wire.client(f"{self._shop}{path}")

    def _wechat_oa(self) -> Phone:
        secrets = self._secrets
        server = WechatServer(self._config.channels.wechat_oa.app_id, secrets.wechat_oa_app_secret, self._clock)
        hold = MediaHold()
        wire = self._wire("wechat_oa", WithMedia(server, tencent_media(hold, server)))
        keys = (secrets.wechat_oa_token, secrets.wechat_oa_aes_key)
        people = WechatPeople(server, self._client(wire), "/webhooks/wechat_oa", *keys)
        return WechatPhone(people, hold, wire, self._clock)

    def _wecom_kf(self) -> Phone:
        channel, secrets = self._config.channels.wecom_kf, self._secrets
        server = KfServer(channel.corp_id, secrets.wecom_kf_secret, self._clock, channel.accounts)
        hold = MediaHold()
        wire = self._wire("wecom_kf", WithMedia(server, tencent_media(hold, server)))
        keys = (secrets.wecom_kf_token, secrets.wecom_kf_aes_key)
        people = KfPeople(server, self._client(wire), "/webhooks/wecom_kf", *keys)
        return KfPhone(people, hold, wire, self._clock)

    def _telegram(self) -> Phone:
        token, hold = self._secrets.telegram_token, MediaHold()
        server = TelegramServer(token, self._clock, hold=hold)
        wire = self._wire("telegram", WithMedia(server, telegram_media(hold, token)))
        people = TelegramPeople(server, self._client(wire), "/webhooks/telegram", self._secrets.telegram_secret)
        return TelegramPhone(people, hold, wire, self._clock)

    def _whatsapp(self) -> Phone:
        channel = self._config.channels.whatsapp
        node = channel.phone_number_id
        token, hold = self._secrets.whatsapp_token, MediaHold(host=f"{self._base}/whatsapp")
        server = WhatsappServer(self._app(token), node, self._clock, hold)
        for each in channel.templates:
            server.templates[each.name, each.language] = len(each.variables)
            server.wordings[each.name, each.language] = each.text
        wire = self._wire("whatsapp", WithMedia(server, graph_media(hold, token, node)))
        people = WhatsappPeople(server, self._client(wire), "/webhooks/whatsapp")
        return WhatsappPhone(people, hold, wire, self._clock)

    def _messenger(self) -> Phone:
        node = self._config.channels.messenger.page_id
        return self._of_messenger(MessengerPhone, node, self._secrets.messenger_token)

    def _instagram(self) -> Phone:
        node = self._config.channels.instagram.user_id
        return self._of_messenger(InstagramPhone, node, self._secrets.instagram_token)

    def _of_messenger(self, made: type[MessengerPhone], node: str, token: str) -> Phone:
        name, hold = made.name, MediaHold()
        server = MessengerServer(self._app(token), node, self._clock, name, hold)
        wire = self._wire(name, WithMedia(server, graph_media(hold, token, node)))
        people = MessengerPeople(server, self._client(wire), f"/webhooks/{name}")
        return made(people, (self._base, hold), wire, self._clock)

    def _line(self) -> Phone:
        token, hold = self._secrets.line_token, MediaHold()
        server = LineServer(token, self._clock)
        wire = self._wire("line", WithMedia(server, line_media(hold, token)))
        people = LinePeople(server, self._client(wire), "/webhooks/line", self._secrets.line_channel_secret)
        return LinePhone(people, hold, wire, self._clock)

    def _web(self) -> Phone:
        wire = self._wire("web")
        return WebPhone(self._client(wire, _SITE), wire, self._clock)

    def _app(self, token: str) -> MetaApp:
        return MetaApp(token, self._secrets.meta_app_secret, self._secrets.meta_verify_token)


def _spare_the_proxy() -> None:
    """Keep calls to this machine from going through a proxy of the environment."""
    if getproxies().get("http"):
        spared = [os.environ.get("NO_PROXY") or os.environ.get("no_proxy", ""), "127.0.0.1", "localhost"]
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = ",".join(each for each in spared if each)
