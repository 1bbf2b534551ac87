"""The house over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import Protocol

from fastapi import APIRouter, FastAPI

from bot.channels.shown import build_router as build_shown_router
from bot.channels.web.gate import Rates
from bot.channels.web.identity import MerchantLogins
from bot.channels.web.networks import Networks
from bot.channels.web.routes import WidgetPorts, WidgetSettings
from bot.channels.web.routes import build_router as build_widget_router
from bot.channels.web.tokens import VisitorTokens
from bot.config import Config, Secrets
from bot.console.app import build_console
from bot.domain.clock import Clock, SystemClock
from bot.engine.showing import PATH
from bot.health.routes import build_router as build_health
from bot.wiring.afterwards import Afterwards
from bot.wiring.health import make_health
from bot.wiring.house import House, open_house
from bot.wiring.media import make_shopper_media, make_show_room
from storage.first_marks import SqlFirstMarks

WebApplication = FastAPI
SECONDS_A_DAY = 24 * 60 * 60


class Annex(Protocol):
    """What stands beside the house while it is open, such as the simulated phones."""

    def before(self) -> AbstractAsyncContextManager[None]:
        """Open what the house needs before it opens."""
        ...

    def beside(self, application: FastAPI, opened: House) -> AbstractAsyncContextManager[None]:
        """Open what needs the open house."""
        ...


def make_web_application(
    config: Config, secrets: Secrets, clock: Clock | None = None, annex: Annex | None = None
) -> WebApplication:
    """Make the ASGI application; the house opens with it and closes with it."""

    @asynccontextmanager
    async def lifespan(application: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            if annex:
                await stack.enter_async_context(annex.before())
            opened = await stack.enter_async_context(open_house(config, secrets, clock or SystemClock()))
            application.include_router(build_health(make_health(opened)))
            for router in make_routers(opened):
                application.include_router(router)
            names = {"zh": config.shop.name_zh, "en": config.shop.name_en}
            secure = str(config.server.public_url or "").startswith("https://")
            application.mount("/console", build_console(opened.desk, names, secure=secure))
            application.state.house = opened
            if annex:
                await stack.enter_async_context(annex.beside(application, opened))
            yield

    return FastAPI(lifespan=lifespan, openapi_url=None, docs_url=None, redoc_url=None)


def make_routers(opened: House) -> Iterator[APIRouter]:
    """Make the routes of every enabled room."""
    config, secrets = opened.config, opened.secrets
    accept = opened.heard.on_messages
    after = Afterwards(opened.stores.database, opened.live, opened.clock)
    if config.channels.web.enabled:
        settings = WidgetSettings(origins=config.channels.web.allowed_origins)
        secret = secrets.web_identity_secret
        # Kept in the database: a word the site gave once is not good again after a restart.
        marks = SqlFirstMarks(opened.stores.database, opened.clock)
        logins = MerchantLogins(secret, settings.account, opened.clock, marks) if secret else None
        ports = WidgetPorts(
            accept, opened.stores.stream, opened.live, opened.clock, logins, after.on_known, after.on_read
        )
        days = config.channels.web.token_days
        media = make_shopper_media(config, opened.stores.database, opened.clock)
        ports = replace(ports, media=media, has_signed_in=after.has_signed_in)
        if config.channels.web.wrong_tries:
            ports = replace(ports, networks=Networks(secrets.secret_key, settings.account))
        tokens = VisitorTokens(secrets.secret_key, settings.account, opened.clock, days * SECONDS_A_DAY)
        yield build_widget_router(settings, ports, tokens, Rates(opened.shared.rates))
    room = make_show_room(config, secrets, opened.stores.database, opened.clock)
    if room is not None:
        yield build_shown_router(room, PATH)
    for name, plug in opened.plugs.items():
        yield plug.router(opened.channels[name], opened.heard)
