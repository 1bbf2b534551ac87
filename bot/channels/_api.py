"""Calling a platform's JSON API: an answer, or how far the request got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

TIMEOUT_S = 10.0
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
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


async def call(http: httpx.AsyncClient, request: httpx.Request) -> Answer:
    """Send a request; Unreached or Lost when there is no answer."""
    try:
        response = await http.send(request)
    except _NEVER_LEFT as error:
        raise Unreached(type(error).__name__) from error
    except httpx.HTTPError as error:
        raise Lost(type(error).__name__) from error
    try:
        data: Any = response.json()
    except (ValueError, RecursionError):
        data = {}
    wait_s = read_wait(response.headers.get("retry-after", ""))
    return Answer(response.status_code, data if isinstance(data, dict) else {}, wait_s)


def read_wait(value: str) -> float | None:
    """Read a Retry-After in seconds, bounded by a day; None when there is none (a date is not read)."""
    digits = value.strip()
    if not digits.isascii() or not digits.isdigit():
        return None
    return min(float(digits), _MOST_WAIT_S)


def mapping(value: Any, key: str) -> Mapping[str, Any]:
    """Give an object inside an object; empty when it is missing or something else."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def listing(value: Any, key: str) -> tuple[Mapping[str, Any], ...]:
    """Give the objects of a list inside an object; what is no object is passed over."""
    found = value.get(key) if isinstance(value, Mapping) else None
    return tuple(item for item in found if isinstance(item, Mapping)) if isinstance(found, list) else ()


def text_of(value: Any, key: str) -> str:
    """Give a text or number inside an object as text; empty when it is missing or something else."""
    found = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        return ""
    return str(found)
