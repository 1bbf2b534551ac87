"""The widget's HTTP: session, history, messages, stream, script; and the demo shop page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from fastapi import APIRouter
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bot.channels._http import Endpoint
from bot.channels.web.adapter import CHANNEL
from bot.channels.web.feed import StreamSlots, VisitorFeed, item_json
from bot.channels.web.gate import Gate, OriginList, Rates, read_json
from bot.channels.web.identity import MerchantLogins
from bot.channels.web.networks import Networks, address_of
from bot.channels.web.pages import ShopPage, StaticFile, load_css, load_script
from bot.channels.web.parse import parse_message
from bot.channels.web.pictures import Pictures, ShopperMedia
from bot.channels.web.sentences import Declined, Problem
from bot.channels.web.tokens import VisitorTokens
from bot.domain.channel_ports import OnMessages, ShopperStream
from bot.domain.clock import Clock
from bot.domain.errors import BadSignature
from bot.domain.messages import Sender
from bot.domain.ports import LiveFeed

DEFAULT_ACCOUNT = "shop"
_HISTORY_MAX = 200
_HISTORY_DEFAULT = 50
_MAX_SEQ = 2**62
_LOCALES = frozenset({"zh", "zh-Hant", "en"})


@dataclass(frozen=True, slots=True)
class WidgetSettings:
    """How one web account behaves.

    Rates are written as in ``30/minute``; ``origins`` lists the other sites whose pages may use the widget
    (``https://shop.example``; ``*``: any). ``ping_s`` is both the stream's heartbeat and how often the record is read
    without a bell, in seconds.
    """

    account: str = DEFAULT_ACCOUNT
    origins: tuple[str, ...] = ()
    messages_per_visitor: str = "30/minute"
    messages_per_address: str = "150/minute"
    sessions_per_address: str = "60/minute"
    reads_per_visitor: str = "120/minute"
    ping_s: float = 15.0
    shop_page: bool = True


@dataclass(frozen=True, slots=True)
class WidgetPorts:
    """What the widget needs from the rest of the house; without ``logins`` no visitor can be a known customer.

    ``on_known`` is told of a visitor whom the site has vouched for in the same browser (as visitor, as known
    customer); ``on_read`` up to which event a visitor's page has shown everything. ``has_signed_in`` tells whether a
    visitor turned out to be a known customer: his old token is then worth nothing, or whoever kept a copy of it would
    speak as that customer. ``networks`` names where a message comes from, for what is counted by it; without it no
    message says so.
    """

    on_messages: OnMessages
    stream: ShopperStream
    live: LiveFeed
    clock: Clock
    logins: MerchantLogins | None = None
    on_known: Callable[[Sender, Sender], Awaitable[None]] | None = None
    on_read: Callable[[Sender, int], Awaitable[None]] | None = None
    media: ShopperMedia | None = None
    has_signed_in: Callable[[Sender], Awaitable[bool]] | None = None
    networks: Networks | None = None


class _Widget:
    """The endpoints, bound to their settings and ports."""

    def __init__(self, settings: WidgetSettings, ports: WidgetPorts, tokens: VisitorTokens, rates: Rates) -> None:
        self._settings = settings
        self._ports = ports
        self._tokens = tokens
        self._rates = rates
        self._slots = StreamSlots()

    async def session(self, request: Request) -> Response:
        """Issue a token: a known customer's when the site vouches for him, else a fresh one for the same visitor."""
        await self._rates.spend(self._settings.sessions_per_address, "session", address_of(request))
        data = await read_json(request)
        old = data.get("token")
        if data.get("identity") is not None:
            return await self._known(data["identity"], old)
        before = self._tokens.visitor_before(old) if isinstance(old, str) else ""
        stays = before and not await self._is_over(Sender(CHANNEL, self._settings.account, before))
        token = self._tokens.renew(str(old)) if stays else self._tokens.issue()
        return JSONResponse({"token": token.token, "visitor": token.visitor_id})

    async def _known(self, identity: Any, old: Any) -> Response:
        if self._ports.logins is None:
            raise Declined(Problem.BAD_IDENTITY)
        customer = await self._ports.logins.prove(identity)
        token = self._tokens.known(customer.reference, customer.name)
        before = self._tokens.visitor_before(old) if isinstance(old, str) else ""
        visitor = Sender(CHANNEL, self._settings.account, before)
        if before and self._ports.on_known is not None and not await self._is_over(visitor):
            known = Sender(CHANNEL, self._settings.account, token.visitor_id, customer.name)
            await self._ports.on_known(visitor, known)
        return JSONResponse({"token": token.token, "visitor": token.visitor_id, "known": True})

    async def history(self, request: Request) -> Response:
        """Tell the newest messages, oldest first."""
        sender = await self._sender(request)
        await self._rates.spend(self._settings.reads_per_visitor, "read", sender.channel_user_id)
        limit = min(max(_number(request.query_params.get("limit", ""), _HISTORY_DEFAULT), 1), _HISTORY_MAX)
        items = await self._ports.stream.latest(sender, limit)
        return JSONResponse({"items": [item_json(item) for item in items]})

    async def messages(self, request: Request) -> Response:
        """Take one message; 202 once it is committed."""
        sender = await self._sender(request)
        await self._rates.spend(self._settings.messages_per_visitor, "message", sender.channel_user_id)
        await self._rates.spend(self._settings.messages_per_address, "message", address_of(request))
        data = await read_json(request)
        locale = data.get("locale")
        if isinstance(locale, str) and locale in _LOCALES:
            sender = replace(sender, locale_hint=locale)
        message = parse_message(data, sender, self._ports.clock.now())
        if self._ports.networks is not None:
            message = replace(message, network=self._ports.networks.name(request))
        (accepted,) = await self._ports.on_messages([message])
        return JSONResponse(
            {"id": data["id"], "duplicate": accepted.duplicate, "truncated": message.truncated}, status_code=202
        )

    async def read(self, request: Request) -> Response:
        """Take note that the page has shown everything up to event ``seq``."""
        sender = await self._sender(request)
        await self._rates.spend(self._settings.reads_per_visitor, "read", sender.channel_user_id)
        seq = (await read_json(request)).get("seq")
        if isinstance(seq, bool) or not isinstance(seq, int) or not 0 < seq <= _MAX_SEQ:
            raise Declined(Problem.BAD_FIELD, field="seq")
        if self._ports.on_read is not None:
            await self._ports.on_read(sender, seq)
        return JSONResponse({}, status_code=202)

    async def admit(self, request: Request, rate: str) -> Sender:
        """Tell who asks for a picture, and count it."""
        sender = await self._sender(request)
        await self._rates.spend(rate, "picture", sender.channel_user_id)
        await self._rates.spend(self._settings.messages_per_address, "picture", address_of(request))
        return sender

    async def stream(self, request: Request) -> Response:
        """Stream what the visitor may see, from after ``Last-Event-ID`` or ``?after=``."""
        sender = await self._sender(request)
        await self._rates.spend(self._settings.reads_per_visitor, "read", sender.channel_user_id)
        self._slots.check(sender.channel_user_id)
        named = request.headers.get("last-event-id") or request.query_params.get("after", "")
        feed = VisitorFeed(sender, self._ports.stream, self._ports.live, self._settings.ping_s)
        events = self._held(sender.channel_user_id, feed.events(_number(named, 0)))
        return EventSourceResponse(events, ping=self._settings.ping_s, sep="\n")

    async def _held(
        self, visitor_id: str, events: AsyncGenerator[ServerSentEvent, None]
    ) -> AsyncIterator[ServerSentEvent]:
        with self._slots.hold(visitor_id):
            async with aclosing(events):
                async for event in events:
                    yield event

    async def _sender(self, request: Request) -> Sender:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            raise Declined(Problem.BAD_TOKEN)
        try:
            visitor = self._tokens.open(token.strip())
        except BadSignature as error:
            raise Declined(Problem.BAD_TOKEN) from error
        sender = Sender(CHANNEL, self._settings.account, visitor.visitor_id, visitor.name)
        if not visitor.known and await self._is_over(sender):
            raise Declined(Problem.BAD_TOKEN)
        return sender

    async def _is_over(self, visitor: Sender) -> bool:
        return self._ports.has_signed_in is not None and await self._ports.has_signed_in(visitor)


def build_router(
    settings: WidgetSettings, ports: WidgetPorts, tokens: VisitorTokens, rates: Rates | None = None
) -> APIRouter:
    """Build the widget's routes; ``rates`` over a shared storage when several processes serve."""
    widget = _Widget(settings, ports, tokens, rates or Rates())
    gate = Gate(OriginList(settings.origins))
    router = APIRouter(include_in_schema=False)
    for path, method, endpoint in (
        *_picture_routes(ports, widget),
        ("/widget/session", "POST", widget.session),
        ("/widget/history", "GET", widget.history),
        ("/widget/messages", "POST", widget.messages),
        ("/widget/stream", "GET", widget.stream),
        ("/widget/read", "POST", widget.read),
    ):
        router.routes.append(Route(path, gate.guard(endpoint), methods=[method]))
        router.routes.append(Route(path, gate.guard(gate.preflight), methods=["OPTIONS"]))
    script = StaticFile(load_script(), "text/javascript; charset=utf-8")
    router.add_api_route("/widget/widget.js", script.respond, methods=["GET"])
    if settings.shop_page:
        router.add_api_route("/shop", ShopPage().respond, methods=["GET"])
        style = StaticFile(load_css("shop.css"), "text/css; charset=utf-8")
        router.add_api_route("/shop/shop.css", style.respond, methods=["GET"])
    return router


def _picture_routes(ports: WidgetPorts, widget: _Widget) -> tuple[tuple[str, str, Endpoint], ...]:
    if ports.media is None:
        return ()
    pictures = Pictures(ports.media, ports.on_messages, ports.clock, widget.admit)
    return (
        ("/widget/pictures", "POST", pictures.take),
        ("/widget/pictures/{media_id}", "GET", pictures.show),
    )


def _number(text: str, default: int) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > len(str(_MAX_SEQ)):
        return default
    return min(int(text), _MAX_SEQ)
