"""The page of phones and its HTTP: only for a browser on this machine, and only from the page itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from importlib import resources
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from bot.domain.errors import NotFound, RefusedInput, XiaoerError
from bot.domain.media_types import HEAD_BYTES, PLAYED_TYPES, SHOWN_TYPES, UNKNOWN, sniff
from bot.simulators.phones.clock import MAX_STEP, PassingClock
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.screen import Act, Move
from bot.simulators.phones.words import Unable, pick_language, read_words

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_MAX_BODY_BYTES = 32 * 1024
_MAX_FILE_BYTES = 10 * 1024 * 1024
_MAX_NAME_CHARS = 120
_MAX_HOURS = MAX_STEP.days * 24
_HEARTBEAT_S = 15
_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; "
        "connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_SCRIPT = "text/javascript"
_FILES = {"phones.css": "text/css", **dict.fromkeys(("screen.js", "bench.js", "voice.js", "phones.js"), _SCRIPT)}

Endpoint = Callable[[Request], Awaitable[Response]]


class PhonePage:
    """Shows the phones at ``place`` and takes what is done with them; ``shop`` is its name by language.

    With a ``clock`` time can be let pass, for the phones and for everybody else who goes by it.
    """

    def __init__(
        self, place: str, phones: Sequence[Phone], shop: Mapping[str, str], clock: PassingClock | None = None
    ) -> None:
        self._place = place
        self._phones = {phone.name: phone for phone in phones}
        self._shop = shop
        self._clock = clock
        environment = Environment(
            loader=DictLoader({"page": _read("phones.html")}), autoescape=True, undefined=StrictUndefined
        )
        self._template = environment.get_template("page")

    def routes(self) -> list[Route]:
        """List the routes."""
        gets = {
            "": self.page,
            "/stream": self.stream,
            "/{name}/state": self.state,
            "/{name}/files/{number}": self.file,
        }
        posts = {
            "/{name}/acts": self.act,
            "/{name}/files": self.send_file,
            "/{name}/people": self.person,
            "/{name}/knobs": self.knob,
            "/{name}/moves": self.move,
        }
        place = self._place
        if self._clock:
            posts["/clock"] = self.let_pass
        return [
            *(Route(f"{place}{path}", _guard(endpoint)) for path, endpoint in gets.items()),
            *(Route(f"{place}/{name}", _file(name, kind)) for name, kind in _FILES.items()),
            *(Route(f"{place}{path}", _guard(endpoint), methods=["POST"]) for path, endpoint in posts.items()),
        ]

    async def page(self, request: Request) -> Response:
        """Show the page in ``?lang=zh|en``, else in the browser's language."""
        language = pick_language(request.query_params.get("lang", ""), request.headers.get("accept-language", ""))
        words = read_words(language)
        html = self._template.render(
            t=words,
            language=language,
            place=self._place,
            phones=list(self._phones.values()),
            shop=self._shop[language],
            clock=self._clock is not None,
            words=words,
        )
        return HTMLResponse(html, headers=_HEADERS)

    async def state(self, request: Request) -> Response:
        """Tell everything of one phone."""
        return JSONResponse(self._phone(request).as_json(), headers=_HEADERS)

    async def act(self, request: Request) -> Response:
        """Let the person who holds a phone do something; 202 while it is on its way."""
        data = await _json(request)
        kind, text, language = (str(data.get(name, "")) for name in ("act", "text", "language"))
        if kind not in set(Act):
            raise RefusedInput(f"{kind[:40]!r} is nothing a person can do; choose one of {', '.join(Act)}")
        about = data.get("about", 0)
        number = about if isinstance(about, int) and not isinstance(about, bool) else 0
        bubble = await self._phone(request).act(Act(kind), text, language, number)
        return JSONResponse({"number": bubble.number}, status_code=202, headers=_HEADERS)

    async def send_file(self, request: Request) -> Response:
        """Let the person send a file of his own, which is the body; its name and the language are in the query."""
        if request.headers.get("content-type", "") != UNKNOWN:
            raise RefusedInput(f"the body is not a file; send it as {UNKNOWN}")
        data = await _body(request, _MAX_FILE_BYTES)
        name, language = request.query_params.get("name", ""), request.query_params.get("language", "")
        bubble = await self._phone(request).send_file(data, name[-_MAX_NAME_CHARS:], language)
        return JSONResponse({"number": bubble.number}, status_code=202, headers=_HEADERS)

    async def file(self, request: Request) -> Response:
        """Give a file that lies on a phone's screen: shown or played by its bytes, else handed over."""
        file = self._phone(request).files.get(request.path_params["number"])
        if file is None:
            raise NotFound("this file is no longer kept")
        mime = sniff(file.data[:HEAD_BYTES])
        shown = mime in SHOWN_TYPES | PLAYED_TYPES
        headers = _HEADERS | {
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Content-Disposition": "inline" if shown else "attachment",
        }
        return Response(file.data, headers=headers, media_type=mime if shown else UNKNOWN)

    async def person(self, request: Request) -> Response:
        """Hand the phone to a fresh person, or to one who has held it before."""
        phone, asked = self._phone(request), (await _json(request)).get("person")
        if asked:
            phone.hand_to(str(asked))
        else:
            await phone.meet()
        return JSONResponse(phone.as_json(), headers=_HEADERS)

    async def knob(self, request: Request) -> Response:
        """Turn a knob."""
        phone, data = self._phone(request), await _json(request)
        phone.turn(str(data.get("knob", "")), data.get("on") is True)
        return JSONResponse(phone.as_json(), headers=_HEADERS)

    async def move(self, request: Request) -> Response:
        """Let the shop's people do something on the platform itself; 202 while it is on its way."""
        phone, name = self._phone(request), str((await _json(request)).get("move", ""))
        if name not in set(Move):
            raise RefusedInput(f"{name[:40]!r} is nothing the shop's people can do; choose one of {', '.join(Move)}")
        phone.move(Move(name))
        return JSONResponse({}, status_code=202, headers=_HEADERS)

    async def let_pass(self, request: Request) -> Response:
        """Let hours pass."""
        hours = (await _json(request)).get("hours")
        if isinstance(hours, bool) or not isinstance(hours, int) or not 0 < hours <= _MAX_HOURS:
            raise RefusedInput(f"let 1 to {_MAX_HOURS} hours pass at a time")
        if self._clock:
            self._clock.let_pass(timedelta(hours=hours))
        for phone in self._phones.values():
            phone.look()
        return JSONResponse(self._time(), headers=_HEADERS)

    async def stream(self, request: Request) -> Response:
        """Tell each phone anew whenever something on it changes."""
        del request
        return EventSourceResponse(self._changes(), ping=_HEARTBEAT_S, headers={"Cache-Control": "no-store"})

    async def _changes(self) -> AsyncIterator[ServerSentEvent]:
        rung = asyncio.Event()
        told: dict[str, int] = {}
        shown_ahead: timedelta | None = None
        for phone in self._phones.values():
            phone.watchers.add(rung.set)
        try:
            while True:
                rung.clear()
                if self._clock and self._clock.ahead != shown_ahead:
                    shown_ahead = self._clock.ahead
                    yield ServerSentEvent(event="clock", data=json.dumps(self._time()))
                for name, phone in self._phones.items():
                    if told.get(name) != phone.version:
                        told[name] = phone.version
                        yield ServerSentEvent(event="phone", data=json.dumps(phone.as_json()))
                await rung.wait()
        finally:
            for phone in self._phones.values():
                phone.watchers.discard(rung.set)

    def _time(self) -> dict[str, Any]:
        if self._clock is None:
            return {}
        return {"now": self._clock.now().isoformat(), "ahead_h": round(self._clock.ahead.total_seconds() / 3600)}

    def _phone(self, request: Request) -> Phone:
        phone = self._phones.get(request.path_params["name"])
        if phone is None:
            raise NotFound(f"there is no phone {request.path_params['name'][:40]!r}")
        return phone


def _guard(endpoint: Endpoint) -> Endpoint:
    """Serve only a browser on this machine, and only pages of this server; errors become sentences."""

    async def guarded(request: Request) -> Response:
        origin = request.headers.get("origin")
        at_home = request.url.hostname in LOOPBACK and request.headers.get("sec-fetch-site") in _FROM_HERE
        if not at_home or (origin and origin != f"{request.url.scheme}://{request.url.netloc}"):
            return JSONResponse({"error": "the phones are for a browser on this machine only"}, 403, _HEADERS)
        try:
            return await endpoint(request)
        except XiaoerError as error:
            status = 404 if isinstance(error, NotFound) else 400
            sentences = error.sentences if isinstance(error, Unable) else {}
            return JSONResponse({"error": str(error), "sentences": sentences}, status, _HEADERS)

    return guarded


_FROM_HERE = frozenset({None, "same-origin", "none"})


async def _json(request: Request) -> dict[str, Any]:
    """Read a small JSON object; RefusedInput. A form of another site cannot send this content type."""
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise RefusedInput("the body is not JSON; send application/json")
    body = await _body(request, _MAX_BODY_BYTES)
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedInput("the body is not valid JSON") from error
    if not isinstance(data, dict):
        raise RefusedInput("the body is no JSON object")
    return data


async def _body(request: Request, most_bytes: int) -> bytes:
    """Read a body; Unable when it is too long."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise Unable("too_large", most=f"{most_bytes / 2**20:.3g}")
    return bytes(body)


def _file(name: str, kind: str) -> Endpoint:
    async def respond(request: Request) -> Response:
        del request
        return Response(_read(name), headers=_HEADERS, media_type=f"{kind}; charset=utf-8")

    return respond


def _read(name: str) -> str:
    return resources.files("bot.simulators.phones").joinpath("static", name).read_text(encoding="utf-8")
