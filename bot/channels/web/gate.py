"""The gate before every widget endpoint: origin, CORS, rates, body size, and problems put into words."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog
from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import MovingWindowRateLimiter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from bot.channels._http import Endpoint, read_body
from bot.channels.web.sentences import STATUS, Declined, Problem, pick_locale, sentence
from bot.domain.errors import StorageError, TooLarge

MAX_BODY_BYTES = 64 * 1024
_PREFLIGHT_AGE_S = 600
_LOG = structlog.get_logger(__name__)


class Rates:
    """Rate limits by key, in the notation of ``limits`` (``30/minute``)."""

    def __init__(self, storage: Storage | None = None) -> None:
        self._limiter = MovingWindowRateLimiter(storage or MemoryStorage())
        self._items: dict[str, RateLimitItem] = {}

    async def spend(self, rate: str, *key: str) -> None:
        """Count one use; Declined with the seconds to wait when the rate is used up."""
        item = self._items.get(rate)
        if item is None:
            item = self._items[rate] = parse(rate)
        if await self._limiter.hit(item, *key):
            return
        window = await self._limiter.get_window_stats(item, *key)
        raise Declined(Problem.TOO_FAST, seconds=max(1, math.ceil(window.reset_time - time.time())))


class OriginList:
    """The web origins (``https://shop.example``) whose pages may use the widget; ``*`` allows all."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._any = "*" in origins
        self._listed = frozenset(origin.rstrip("/").lower() for origin in origins)

    def admit(self, request: Request) -> str:
        """Tell the origin to allow in CORS, ``""`` when the request is not cross-origin; Declined when not listed.

        A request without ``Origin`` comes from the same page or from no browser at all: its token still decides.
        """
        origin = request.headers.get("origin", "").lower()
        if not origin or urlsplit(origin).netloc == request.headers.get("host", "").lower() != "":
            return ""
        if self._any or origin in self._listed:
            return origin
        raise Declined(Problem.BAD_ORIGIN)


class Guarded:
    """An endpoint that answers the same way as the others when something is wrong.

    It is an application of its own, so that a message does not pay for what a framework does for endpoints with
    declared parameters.
    """

    def __init__(self, origins: OriginList, endpoint: Endpoint) -> None:
        self._origins = origins
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive, send)
        response = await self._respond(request)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        origin = ""
        try:
            origin = self._origins.admit(request)
            response = await self._endpoint(request)
        except Declined as declined:
            response = _answer(request, declined)
        except StorageError as error:
            _LOG.error("widget_storage_error", error=type(error).__name__)
            response = _answer(request, Declined(Problem.UNAVAILABLE))
        response.headers["Vary"] = "Origin, Accept-Language"
        if origin:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "Retry-After"
        response.headers.setdefault("Cache-Control", "no-store")
        return response


class Gate:
    """Stands before every endpoint."""

    def __init__(self, origins: OriginList) -> None:
        self._origins = origins

    def guard(self, endpoint: Endpoint) -> Guarded:
        """Give an endpoint origin checks, CORS headers and sentences for what it declines."""
        return Guarded(self._origins, endpoint)

    async def preflight(self, _request: Request) -> Response:
        """Answer a browser that asks before a cross-origin request; to be guarded like the rest."""
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
                "Access-Control-Allow-Headers": "Authorization, Content-Type, Last-Event-ID",
                "Access-Control-Max-Age": str(_PREFLIGHT_AGE_S),
            },
        )


async def read_json(request: Request) -> dict[str, Any]:
    """Read a JSON object of at most ``MAX_BODY_BYTES``; Declined when it is larger, broken or not an object."""
    try:
        body = await read_body(request, MAX_BODY_BYTES)
    except TooLarge as error:
        raise Declined(Problem.TOO_LARGE, limit=MAX_BODY_BYTES // 1024) from error
    if not body:
        return {}
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Declined(Problem.BAD_JSON) from error
    if not isinstance(data, dict):
        raise Declined(Problem.BAD_JSON)
    return data


def _answer(request: Request, declined: Declined) -> JSONResponse:
    locale = pick_locale(request.headers.get("accept-language", ""))
    headers = {"Content-Language": locale.value}
    if declined.problem is Problem.TOO_FAST:
        headers["Retry-After"] = str(declined.values["seconds"])
    return JSONResponse(
        {"code": declined.problem.value, "message": sentence(declined, locale)},
        status_code=STATUS[declined.problem],
        headers=headers,
    )
