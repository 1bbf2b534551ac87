"""Calling a platform's JSON API: an answer, or how far the request got."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from bot.channels.reading import json_object

TIMEOUT_S = 10.0
DEFAULT_WAIT_S = 5.0
"""How long to wait where a platform asks to and does not say how long, in seconds."""

_NEVER_LEFT = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol
)  # fmt: skip
_MOST_WAIT_S = 24 * 3600.0
_SERVER_FAULT = 500


class Unreached(Exception):
    """The request never left: the platform cannot have carried it out."""


class Lost(Exception):
    """The connection broke after the request was sent off: it may or may not have been carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the platform said; ``data`` is its JSON object, empty when it was none. ``wait_s``: its Retry-After."""

    status: int
    data: Mapping[str, Any]
    wait_s: float | None = None

    @property
    def good(self) -> bool:
        """Tell whether the status is 2xx."""
        return httpx.codes.is_success(self.status)

    @property
    def broken(self) -> bool:
        """Tell whether the platform itself failed (5xx)."""
        return self.status >= _SERVER_FAULT


def open_http(
    base_url: str, transport: httpx.AsyncBaseTransport | None = None, *, token: str = "", **query: str
) -> httpx.AsyncClient:
    """Open a client of a platform's API; ``token`` goes along as a bearer's, ``query`` with every request."""
    silence_request_logs()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.AsyncClient(base_url=base_url, headers=headers, params=query, timeout=TIMEOUT_S, transport=transport)


def silence_request_logs() -> None:
    """Keep the HTTP client from logging addresses: Telegram's and WeChat's carry the token in them."""
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)


async def call(http: httpx.AsyncClient, request: httpx.Request) -> Answer:
    """Send a request; Unreached or Lost when there is no answer."""
    try:
        response = await http.send(request)
    except httpx.HTTPError as error:
        raise broken_off(error) from error
    wait_s = read_wait(response.headers.get("retry-after", ""))
    return Answer(response.status_code, json_object(response.content) or {}, wait_s)


def broken_off(error: httpx.HTTPError) -> Unreached | Lost:
    """Tell how far a request got that has no answer."""
    reached = Unreached if isinstance(error, _NEVER_LEFT) else Lost
    return reached(type(error).__name__)


def read_wait(value: str) -> float | None:
    """Read a Retry-After in seconds, bounded by a day; None when there is none (a date is not read)."""
    digits = value.strip()
    if not digits.isascii() or not digits.isdigit():
        return None
    return min(float(digits), _MOST_WAIT_S)
