"""Forms as they come in: bounded, urlencoded, from our own pages only."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request

from bot.console.problems import Problem

_MAX_BYTES = 256 * 1024
_MAX_FIELDS = 50
_FORM_TYPE = "application/x-www-form-urlencoded"
_OWN_SITES = frozenset({"same-origin", "none"})


async def read_form(request: Request) -> Mapping[str, str]:
    """Read the body as a form; Problem 413 beyond 256 KiB, 400 when it is not one."""
    if request.headers.get("content-type", "").partition(";")[0].strip().casefold() != _FORM_TYPE:
        raise Problem(400, "error.refused")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BYTES:
            raise Problem(413, "error.too_large")
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"))
    except ValueError as junk:
        raise Problem(400, "error.refused") from junk


def comes_from_here(request: Request) -> bool:
    """Tell whether the browser says that the request was made by one of our own pages.

    Browsers that send neither header are judged by the form's token alone.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in _OWN_SITES:
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host", "")
