"""Ask a Rasa server what a message means: ``POST /model/parse``, and trust nothing it says unread."""

from __future__ import annotations

import asyncio
import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx

from bot.domain.understanding import IntentScore

MOST_CHARS = 2_000
"""Of a longer message Rasa is given the beginning and the end: its time grows with the length."""
_REPEATED = re.compile(r"(.{1,40}?)\1{3,}", re.DOTALL)
"""A letter, word or sentence more than three times over: Rasa counts, and is surer of what it sees more often."""
_UNSEEN = frozenset({"Cc", "Cf"})
_RANKED = 5
_MOST_BYTES = 1_000_000
_CONNECTIONS = 32
_FALLBACK = "nlu_fallback"
_ROUNDING = 1e-6


class RasaDown(Exception):
    """Rasa gave no usable answer; ``reason`` is one word for the figures."""

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the reason; the detail never holds a shopper's words."""
        super().__init__(detail)
        self.reason = reason


class RasaParser:
    """A connection to a Rasa server whose address may change when it is started anew."""

    def __init__(
        self,
        address: Callable[[], str],
        timeout_s: float,
        token: str = "",
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """Take the server's address, the seconds a whole answer may take, and its token if it wants one."""
        self._address = address
        self._timeout_s = timeout_s
        self._query = {"token": token} if token else {}
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        # No proxies from the environment: the server is ours and near.
        self._http = httpx.AsyncClient(timeout=timeout_s, limits=limits, trust_env=False, transport=transport)

    async def parse(self, text: str) -> tuple[IntentScore, ...]:
        """Rank the intents of a message, best first; RasaDown when there is no usable answer in time."""
        body = {"text": as_sent(text)}
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._http.post(f"{self._address()}/model/parse", params=self._query, json=body)
        except (TimeoutError, httpx.TimeoutException):
            raise RasaDown("timeout", f"no answer within {self._timeout_s} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as problem:
            raise RasaDown("unreachable", type(problem).__name__) from None
        if answer.status_code != httpx.codes.OK:
            raise RasaDown("refused", f"HTTP {answer.status_code}")
        if len(answer.content) > _MOST_BYTES:
            raise RasaDown("junk", f"an answer of {len(answer.content)} bytes")
        try:
            return read_ranking(answer.json())
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as problem:
            raise RasaDown("junk", f"an answer that is no parse ({type(problem).__name__})") from None

    async def is_ready(self) -> bool:
        """Tell whether the server has loaded a model."""
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await self._http.get(f"{self._address()}/status", params=self._query)
        except (TimeoutError, httpx.HTTPError, httpx.InvalidURL):
            return False
        return answer.status_code == httpx.codes.OK

    async def close(self) -> None:
        """Let the connections go."""
        await self._http.aclose()


def as_sent(text: str) -> str:
    """Shape a message for Rasa: not too long, nothing over and over, nothing unseen, and never with a leading slash.

    Rasa takes ``/refund{"order": 1}`` for a command that names intent and entities: no shopper may give it.
    """
    shown = text if len(text) <= MOST_CHARS else f"{text[: MOST_CHARS * 3 // 4]} {text[-MOST_CHARS // 4 :]}"
    shown = "".join(char for char in shown if char.isspace() or unicodedata.category(char) not in _UNSEEN)
    shown = _REPEATED.sub(r"\1\1\1", shown)
    return shown.encode("utf-8", "replace").decode().lstrip("/ \t\r\n\u3000") or " "


def read_ranking(answer: Mapping[str, Any]) -> tuple[IntentScore, ...]:
    """Read intents and confidences from a parse; ValueError, TypeError or KeyError when it is none.

    A retrieval intent (``faq``) is replaced by its topics, each as likely as both together.
    """
    ranked = answer.get("intent_ranking") or [answer["intent"]]
    selectors = answer.get("response_selector") or {}
    scores: dict[str, float] = {}
    for entry in ranked:
        if entry["name"] is None or entry["name"] == _FALLBACK:
            continue
        for name, confidence in _spread(_text(entry["name"]), _share(entry["confidence"]), selectors):
            scores[name] = max(confidence, scores.get(name, 0.0))
    best = sorted(scores.items(), key=lambda item: -item[1])[:_RANKED]
    return tuple(IntentScore(name, round(confidence, 4)) for name, confidence in best)


def _spread(name: str, confidence: float, selectors: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    chosen = selectors.get(name) or (selectors.get("default") if name in _retrievals(selectors) else None)
    if chosen is None:
        yield name, confidence
        return
    for topic in chosen["ranking"]:
        key = _text(topic["intent_response_key"])
        if key.startswith(f"{name}/"):
            yield key, confidence * _share(topic["confidence"])


def _retrievals(selectors: Mapping[str, Any]) -> list[Any]:
    return list(selectors.get("all_retrieval_intents") or ())


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("an intent without a name")
    return value


def _share(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("a confidence that is no number")
    if not -_ROUNDING <= value <= 1 + _ROUNDING:
        raise ValueError("a confidence outside 0..1")
    return min(1.0, max(0.0, float(value)))
