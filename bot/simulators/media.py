"""Media as the platforms hold and serve them, put before a simulator: everything else is passed on to it.

Stricter than the real ones: a call without its token is refused, and so is a token shown where none belongs; ids are
good once they were sent and until they expire. What the shop uploads is taken by the simulators themselves, within
their windows and limits; ``redirect_to`` leads a download elsewhere, as an attacker would like it to.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from typing import Any, ClassVar, Protocol
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

_MEDIA_HOST = "https://lookaside.fbsbx.com"
_FILES = "/whatsapp/"
_OPEN_FILES = "/files/"
_MAX_TELEGRAM_BYTES = 20 * 1024 * 1024
_TENCENT_BYTES = {"image": 10 * 1024 * 1024, "file": 20 * 1024 * 1024}
_LEAST_TENCENT_BYTES = 6


@dataclass(frozen=True)
class HeldFile:
    """A file a platform holds, or was given."""

    data: bytes
    mime: str = "image/jpeg"
    name: str = ""


@dataclass
class MediaHold:
    """What a platform holds, by id; ``expired`` ids are gone, ``refuse_tokens`` tokens are refused as expired.

    ``host`` is where WhatsApp's addresses lead to.
    """

    files: dict[str, HeldFile] = field(default_factory=dict)
    expired: set[str] = field(default_factory=set)
    uploaded: list[HeldFile] = field(default_factory=list)
    redirect_to: str = ""
    refuse_tokens: int = 0
    asked: list[str] = field(default_factory=list)
    host: str = _MEDIA_HOST

    def hold(self, number: str, file: HeldFile) -> str:
        """Keep a file under an id, as when a person has sent it."""
        self.files[number] = file
        return number

    def take(self, file: HeldFile, prefix: str = "") -> str:
        """Keep a file the shop has uploaded; give its id."""
        self.uploaded.append(file)
        return self.hold(f"{prefix}{6999 + len(self.uploaded)}", file)

    def there(self, number: str) -> HeldFile | None:
        """Find a file that has not expired."""
        return None if number in self.expired else self.files.get(number)

    def serve(self, number: str) -> Response:
        """Give a file's bytes, or lead elsewhere."""
        file = self.there(number)
        if file is None:
            return Response(status_code=404)
        if self.redirect_to:
            return RedirectResponse(self.redirect_to, 302)
        headers = {"Content-Disposition": f'attachment; filename="{file.name or "file"}"'}
        return Response(file.data, media_type=file.mime, headers=headers)


Answer = Callable[[Request], Awaitable[Response | None]]


class WithMedia:
    """An ASGI app that answers a platform's media calls by ``answer`` and passes the others to ``inner``."""

    def __init__(self, inner: ASGIApp, answer: Answer) -> None:
        self._inner = inner
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve as an ASGI app."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        body = await Request(scope, receive).body()

        async def again() -> dict[str, object]:
            return {"type": "http.request", "body": body, "more_body": False}

        response = await self._answer(Request(scope, again))
        if response is None:
            await self._inner(scope, again, send)
        else:
            await response(scope, again, send)


def telegram_media(hold: MediaHold, token: str) -> Answer:
    """Serve getFile and the files' own addresses."""

    async def answer(request: Request) -> Response | None:
        path = request.url.path
        hold.asked.append(path)
        if path == f"/bot{token}/getFile":
            return _telegram_file(hold, await _field(request, "file_id"))
        if path.startswith(f"/file/bot{token}/"):
            return hold.serve(path.rpartition("/")[2])
        return None

    return answer


def graph_media(hold: MediaHold, token: str, node: str) -> Answer:
    """Serve media ids and their addresses: WhatsApp's want the token again, Messenger's and Instagram's none at all."""

    async def answer(request: Request) -> Response | None:
        path = request.url.path
        number = path.rpartition("/")[2]
        if f"{request.url.scheme}://{request.url.hostname}" == _MEDIA_HOST or path.startswith((_FILES, _OPEN_FILES)):
            hold.asked.append(str(request.url))
            wanted = f"Bearer {token}" if path.startswith(_FILES) else None
            if request.headers.get("authorization") != wanted:
                return Response(status_code=401)
            return hold.serve(number)
        if request.method == "GET" and number.isdigit() and number != node:
            return _graph_address(hold, number, request.headers.get("authorization") == f"Bearer {token}")
        return None

    return answer


def line_media(hold: MediaHold, token: str) -> Answer:
    """Serve the content of messages."""

    async def answer(request: Request) -> Response | None:
        found = re.fullmatch(r"/v2/bot/message/(\d+)/content", request.url.path)
        if found is None:
            return None
        hold.asked.append(request.url.path)
        if request.headers.get("authorization") != f"Bearer {token}":
            return JSONResponse({"message": "Authentication failed"}, 401)
        return hold.serve(found[1])

    return answer


class TokenGiver(Protocol):
    """A simulator that gives out access tokens; ``uploads`` are the types it takes."""

    uploads: ClassVar[frozenset[str]]

    def token_fault(self, token: str) -> int:
        """Tell the error code of a token that is not good, 0 for one that is."""
        ...


def tencent_media(hold: MediaHold, giver: TokenGiver) -> Answer:
    """Serve and take temporary media, at WeChat and at WeCom, to who has a token of ``giver``."""

    async def answer(request: Request) -> Response | None:
        if request.url.path not in {"/cgi-bin/media/get", "/cgi-bin/media/upload"}:
            return None
        hold.asked.append(request.url.path)
        if hold.refuse_tokens:
            hold.refuse_tokens -= 1
            return JSONResponse({"errcode": 42001, "errmsg": "access_token expired"})
        fault = giver.token_fault(request.query_params.get("access_token", ""))
        if fault:
            return JSONResponse({"errcode": fault, "errmsg": "invalid credential, or access_token expired"})
        if request.url.path.endswith("/upload"):
            kind = request.query_params.get("type", "")
            file = (await read_parts(request)).get("media")
            return _taken(hold, kind if kind in giver.uploads else "", file)
        number = request.query_params.get("media_id", "")
        if hold.there(number) is None:
            return JSONResponse({"errcode": 40007, "errmsg": "invalid media_id"})
        return hold.serve(number)

    return answer


def _taken(hold: MediaHold, kind: str, file: HeldFile | None) -> Response:
    """Take an upload to WeChat or WeCom within their common limits."""
    if kind not in _TENCENT_BYTES:
        return JSONResponse({"errcode": 40004, "errmsg": "invalid media type"})
    if file is None or not file.name:
        return JSONResponse({"errcode": 41005, "errmsg": "media data missing"})
    if kind == "image" and file.mime not in {"image/jpeg", "image/png"}:
        return JSONResponse({"errcode": 40005, "errmsg": "invalid file type"})
    if not _LEAST_TENCENT_BYTES <= len(file.data) <= _TENCENT_BYTES[kind]:
        return JSONResponse({"errcode": 40006, "errmsg": "invalid media size"})
    return JSONResponse({"errcode": 0, "type": kind, "media_id": hold.take(file, "MEDIA_")})


def _telegram_file(hold: MediaHold, number: str) -> Response:
    file = hold.there(number)
    if file is None:
        problem = "Bad Request: wrong file_id or the file is temporarily unavailable"
        return JSONResponse({"ok": False, "error_code": 400, "description": problem}, 400)
    if len(file.data) > _MAX_TELEGRAM_BYTES:
        return JSONResponse({"ok": False, "error_code": 400, "description": "Bad Request: file is too big"}, 400)
    result = {"file_id": number, "file_unique_id": number, "file_size": len(file.data), "file_path": f"photos/{number}"}
    return JSONResponse({"ok": True, "result": result})


def _graph_address(hold: MediaHold, number: str, admitted: bool) -> Response:
    if not admitted:
        return JSONResponse({"error": {"code": 190, "message": "Error validating access token"}}, 401)
    file = hold.there(number)
    if file is None:
        problem = {"code": 100, "error_subcode": 33, "message": "Object does not exist"}
        return JSONResponse({"error": problem}, 400)
    address = {"url": f"{hold.host}{_FILES}{number}", "mime_type": file.mime, "file_size": len(file.data)}
    return JSONResponse(address | {"id": number, "messaging_product": "whatsapp"})


async def _field(request: Request, name: str) -> str:
    """Give a field of a form or of JSON."""
    body = await request.body()
    kind = request.headers.get("content-type", "")
    if kind.startswith("application/json"):
        return str((await request.json()).get(name, ""))
    if kind.startswith("multipart/"):
        return (await read_parts(request)).get(name, HeldFile(b"")).data.decode()
    return dict(parse_qsl(body.decode())).get(name, "")


async def read_form(request: Request) -> dict[str, Any]:
    """Read a multipart form: its files as they are, its other fields as text."""
    parts = await read_parts(request)
    return {name: part if part.name else part.data.decode() for name, part in parts.items()}


def is_form(request: Request) -> bool:
    """Tell whether a request is a multipart form."""
    return request.headers.get("content-type", "").startswith("multipart/form-data")


async def read_parts(request: Request) -> dict[str, HeldFile]:
    """Read the parts of a multipart form."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    found: dict[str, HeldFile] = {}
    for part in message_from_bytes(head + await request.body(), policy=HTTP).iter_parts():
        name = str(part.get_param("name", header="content-disposition"))
        data = part.get_payload(decode=True)
        held = data if isinstance(data, bytes) else b""
        found[name] = HeldFile(held, part.get_content_type(), part.get_filename() or "")
    return found
