"""Look at the widget's set-up: who may embed it, whether its script is reached from outside, who may be vouched for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx

from bot.channels._api import open_http
from bot.channels.findings import BEHIND_A_PROXY, Finding
from bot.channels.web.identity import MIN_SECRET_CHARS, shortest_secret

_SCRIPT = "/widget/widget.js"


async def check_web(
    origins: tuple[str, ...],
    identity_secret: str,
    public_url: str,
    transport: httpx.AsyncBaseTransport | None = None,
) -> tuple[Finding, ...]:
    """Look at the widget; its script is fetched from ``public_url``, ``origins`` are the sites it stands on."""
    return (_where(origins), *[each async for each in _script(public_url, transport)], _vouching(identity_secret))


def _where(origins: tuple[str, ...]) -> Finding:
    if "*" in origins:
        fix = "list the sites by name in xiaoer.channels.web.allowed_origins"
        return Finding("any site may embed the widget", fix)
    return Finding(f"the widget may stand on {', '.join(origins) or 'our own pages only'}")


async def _script(public_url: str, transport: httpx.AsyncBaseTransport | None) -> AsyncIterator[Finding]:
    if not public_url:
        yield Finding("its script is not asked for from outside: xiaoer.server.public_url is not set")
        return
    address = f"{public_url.rstrip('/')}{_SCRIPT}"
    if not address.startswith("https://"):
        yield Finding(f"{address} is not https, so https pages do not load it", BEHIND_A_PROXY)
    fix = f"start the server, and let {address} reach it from outside"
    try:
        async with open_http("", transport) as http:
            answer = await http.get(address)
    except httpx.HTTPError as error:
        yield Finding(f"the widget's script cannot be reached ({type(error).__name__})", fix)
        return
    if answer.is_success and "javascript" in answer.headers.get("content-type", ""):
        yield Finding(f"{address} gives the script")
    else:
        yield Finding(f"something else answers at {address} (HTTP {answer.status_code})", fix)


def _vouching(secret: str) -> Finding:
    if not secret:
        return Finding("your site may not vouch for its customers (XIAOER_WEB_IDENTITY_SECRET is not set)")
    if shortest_secret(secret) < MIN_SECRET_CHARS:
        fix = f"set XIAOER_WEB_IDENTITY_SECRET to at least {MIN_SECRET_CHARS} random characters, on both servers"
        return Finding("a secret your site vouches with is too short (a space begins another)", fix)
    return Finding("your site may vouch for its customers")
