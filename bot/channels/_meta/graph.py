"""The Graph API: calls with a proof of the app's secret, and what its errors mean.

Source: https://developers.facebook.com/docs/graph-api/guides/error-handling and
.../docs/graph-api/securing-requests (``appsecret_proof``).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from bot.channels._api import Answer, Lost, Unreached, call, open_http
from bot.channels._meta.settings import MetaSettings
from bot.channels.reading import mapping, text_of
from bot.domain.channel_ports import Deferred, Delivery, Failed, Refusal, Refused, Unclear
from bot.domain.media import OutgoingFile

_TOKEN = 190
# Source: https://developers.facebook.com/docs/graph-api/overview/rate-limiting (80001 and on: of Pages, Instagram,
# Messenger, WhatsApp accounts and others).
_BUSY = {613: 10.0, **dict.fromkeys((4, 17, 32, 341, *range(80001, 80015)), 60.0)}
_REFUSED = {
    368: (Refusal.OTHER, "Meta has blocked the account for a while for breaking a policy; see Account quality"),
}
_PASSING = frozenset({1, 2})
_PERMISSION = frozenset({3, 10, *range(200, 300)})


@dataclass(frozen=True, slots=True)
class GraphError:
    """An error of the Graph API; 0 stands for a missing code."""

    code: int
    subcode: int
    message: str


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """What a channel's own codes mean, by code or by (code, subcode): refused for ever, or wait so many seconds."""

    refused: Mapping[int | tuple[int, int], tuple[Refusal, str]]
    waits_s: Mapping[int, float]
    passing: frozenset[int] = frozenset()


class GraphApi:
    """Calls the Graph API as one channel; ``transport`` replaces the network in tests."""

    def __init__(self, settings: MetaSettings, transport: httpx.AsyncBaseTransport | None = None) -> None:
        proof = hmac.new(settings.app_secret.encode(), settings.token.encode(), hashlib.sha256).hexdigest()
        base = settings.api_url.rstrip("/") + "/"
        self.transport = transport
        self._http = open_http(base, transport, token=settings.token, appsecret_proof=proof)

    async def post(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Post JSON; Unreached or Lost when there is no answer."""
        return await call(self._http, self._http.build_request("POST", path, json=body))

    async def upload(self, path: str, fields: Mapping[str, str], name: str, file: OutgoingFile) -> Answer:
        """Post a form with one file under ``name``; Unreached or Lost when there is no answer."""
        files = {name: (file.name, file.data, file.mime)}
        return await call(self._http, self._http.build_request("POST", path, data=dict(fields), files=files))

    async def get(self, path: str, **query: str) -> Answer:
        """Read a node or edge; Unreached or Lost when there is no answer."""
        return await call(self._http, self._http.build_request("GET", path, params=query))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


async def post_message(graph: GraphApi, path: str, body: Mapping[str, Any], table: ErrorTable) -> Answer | Delivery:
    """Send one message: the good answer, or what became of it."""
    return await weighed(graph.post(path, body), table)


async def weighed(asked: Awaitable[Answer], table: ErrorTable) -> Answer | Delivery:
    """Wait for a call: the good answer, or what became of it."""
    try:
        answer = await asked
    except Unreached as error:
        return Failed(f"Meta cannot be reached: {error}", retryable=True)
    except Lost as error:
        return Unclear(f"the connection to Meta was lost: {error}")
    return answer if answer.good else weigh(answer, table)


def read_error(answer: Answer) -> GraphError:
    """Read the error of an answer that is not good."""
    error = mapping(answer.data, "error")
    return GraphError(_number(error, "code"), _number(error, "error_subcode"), text_of(error, "message")[:120])


def weigh(answer: Answer, table: ErrorTable) -> Delivery:
    """Decide what an error means for the message."""
    error = read_error(answer)
    of_channel = table.refused.get((error.code, error.subcode)) or table.refused.get(error.code)
    found = of_channel or _REFUSED.get(error.code)
    if found:
        kind, why = found
        return Refused(f"{why} (error {error.code})", kind)
    wait_s = table.waits_s.get(error.code) or _BUSY.get(error.code)
    if wait_s is not None or answer.status == httpx.codes.TOO_MANY_REQUESTS:
        return Deferred(answer.wait_s or wait_s or _BUSY[4], f"Meta asks to wait (error {error.code})")
    if error.code == _TOKEN or answer.status == httpx.codes.UNAUTHORIZED:
        # Retried: an operator can mend it while the message waits.
        return Failed("Meta refuses the access token; make another and set it in the environment", retryable=True)
    if error.code in _PERMISSION:
        return Failed(f"Meta refuses: a permission is missing (error {error.code})", retryable=True)
    if answer.broken or error.code in _PASSING or error.code in table.passing:
        return Failed(f"Meta is in trouble (HTTP {answer.status}, error {error.code})", retryable=True)
    return Failed(f"Meta does not take the message: {error.message} (error {error.code})", retryable=False)


def _number(holder: Mapping[str, Any], key: str) -> int:
    value = holder.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0
