"""A phone whose browser shows a page with the chat widget."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import httpx

from bot.domain.clock import Clock
from bot.domain.errors import RefusedInput
from bot.simulators.phones.phone import Lever, Phone
from bot.simulators.phones.screen import Act, Person, Shown
from bot.simulators.phones.wire import Wire

_AGAIN_AFTER_S = 2.0
_OURS = "customer"


class WebPhone(Phone):
    """Visitors of the merchant's site; ``http`` has the address under which the widget's routes stand."""

    name = "web"
    acts = (Act.TEXT, Act.PRESS, Act.STICKER)

    def __init__(self, http: httpx.AsyncClient, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._http = http
        self._tokens: dict[str, str] = {}
        self._choices: dict[str, dict[str, str]] = {}
        self._last: dict[str, int] = {}
        self._heard: deque[tuple[str, Shown]] = deque()

    async def _stranger(self, number: int, name: str) -> str:
        del number, name
        answer = await self._http.post("/widget/session", json={})
        if not answer.is_success:
            raise RefusedInput(f"the widget opens no session (HTTP {answer.status_code}); wait a minute and try again")
        session = answer.json()
        visitor = str(session["visitor"])
        self._tokens[visitor] = str(session["token"])
        self._later(self._listen(visitor))
        return visitor

    async def _do(self, person: Person, act: Act, text: str) -> httpx.Response | None:
        message = {"id": secrets.token_hex(8), "locale": person.language}
        if act is Act.PRESS:
            message |= {"text": text, "payload": self._choices.get(person.id, {})[text]}
        else:
            message["text"] = "👍" if act is Act.STICKER else text
        return await self._http.post("/widget/messages", json=message, headers=self._head(person.id))

    def _news(self) -> Iterator[tuple[str, Shown]]:
        while self._heard:
            yield self._heard.popleft()

    def _levers(self) -> Mapping[str, Lever]:
        return {}

    def _head(self, visitor: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._tokens[visitor]}"}

    async def _listen(self, visitor: str) -> None:
        """Follow the visitor's stream as the widget does, and again when it breaks."""
        while True:
            after = {"after": str(self._last.get(visitor, 0))}
            doing = self._http.stream("GET", "/widget/stream", params=after, headers=self._head(visitor), timeout=None)
            with contextlib.suppress(httpx.HTTPError):
                async with doing as answer:
                    async for kind, data in _events(answer.aiter_lines()):
                        self._hear(visitor, kind, data)
            await asyncio.sleep(_AGAIN_AFTER_S)

    def _hear(self, visitor: str, kind: str, data: dict[str, Any]) -> None:
        person = self._people.get(visitor)
        self._last[visitor] = max(self._last.get(visitor, 0), int(data.get("seq", 0)))
        if kind == "typing" and person is not None:
            person.typing = data.get("on") is True
        elif kind == "message" and data.get("sender") != _OURS:
            choices = {each["label"]: each["payload"] for each in data["buttons"]}
            self._choices.setdefault(visitor, {}).update(choices)
            self._heard.append((visitor, Shown(data["text"], tuple(choices), "quick")))
        self.look()


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, dict[str, Any]]]:
    """Read server-sent events with JSON in them."""
    fields: dict[str, str] = {}
    async for line in lines:
        name, _, value = line.partition(":")
        if line:
            fields[name] = value.removeprefix(" ")
        elif "data" in fields:
            yield fields.get("event", "message"), json.loads(fields["data"])
            fields = {}
        else:
            fields = {}
