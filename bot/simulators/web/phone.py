"""A phone whose browser shows a page with the chat widget."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import HeldFile
from bot.simulators.phones.levers import Lever, retrying
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.screen import Act, Bubble, Deed, Mark, Person, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.phones.words import Unable

_AGAIN_AFTER_S = 2.0
_OURS = "customer"


class WebPhone(Phone):
    """Visitors of the merchant's site; ``http`` has the address under which the widget's routes stand."""

    name = "web"
    acts = (Act.TEXT, Act.PRESS, Act.IMAGE, Act.STICKER)
    counts = False
    reports = True

    def __init__(self, http: httpx.AsyncClient, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self.retry_after_s: tuple[float, ...] = ()
        self._http = http
        self._tokens: dict[str, str] = {}
        self._choices: dict[str, dict[str, str]] = {}
        self._last: dict[str, int] = {}
        self._heard: deque[tuple[str, Shown]] = deque()

    async def _stranger(self, number: int, name: str) -> str:
        del number, name
        answer = await self._http.post("/widget/session", json={})
        if not answer.is_success:
            raise Unable("no_session", status=answer.status_code)
        session = answer.json()
        visitor = str(session["visitor"])
        self._tokens[visitor] = str(session["token"])
        self._later(self._listen(visitor))
        return visitor

    async def _do(self, person: Person, deed: Deed) -> httpx.Response | None:
        number = secrets.token_hex(8)
        send = self._picture if deed.act is Act.IMAGE else self._message
        answer = await send(person, deed, number)
        # The widget sends again under the same id, as a browser does that has heard nothing.
        for wait_s in self.retry_after_s:
            if answer.is_success:
                break
            await asyncio.sleep(wait_s)
            answer = await send(person, deed, number)
        return answer

    async def _message(self, person: Person, deed: Deed, number: str) -> httpx.Response:
        message = {"id": number, "locale": person.language, "text": deed.text or "👍"}
        if deed.act is Act.PRESS:
            message["payload"] = self._choices.get(person.id, {})[deed.text]
        return await self._http.post("/widget/messages", json=message, headers=self._head(person.id))

    async def _picture(self, person: Person, deed: Deed, number: str) -> httpx.Response:
        head = self._head(person.id) | {"Content-Type": deed.enclosed.mime}
        return await self._http.post(
            "/widget/pictures", params={"id": number}, content=deed.enclosed.data, headers=head
        )

    def _news(self) -> Iterator[tuple[str, Shown]]:
        while self._heard:
            yield self._heard.popleft()

    def _levers(self) -> Mapping[str, Lever]:
        return {"retry": retrying(self)}

    async def _report(self, person: Person, bubble: Bubble, mark: Mark) -> None:
        """Tell what the page has shown; a widget that shows a message has it read."""
        if mark is Mark.READ:
            await self._http.post("/widget/read", json={"seq": int(bubble.id)}, headers=self._head(person.id))

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
                        await self._hear(visitor, kind, data)
            await asyncio.sleep(_AGAIN_AFTER_S)

    async def _hear(self, visitor: str, kind: str, data: dict[str, Any]) -> None:
        person = self._people.get(visitor)
        self._last[visitor] = max(self._last.get(visitor, 0), int(data.get("seq", 0)))
        if kind == "typing" and person is not None:
            person.typing = data.get("on") is True
        elif kind == "message" and data.get("sender") != _OURS:
            choices = {each["label"]: each["payload"] for each in data["buttons"]}
            self._choices.setdefault(visitor, {}).update(choices)
            shown = Shown(data["text"], tuple(choices), "quick", str(data["seq"]))
            files = [await self._file(visitor, each) for each in data.get("attachments", ())]
            if shown.text or not files:
                self._heard.append((visitor, shown))
            self._heard.extend((visitor, replace(shown, text="", choices=(), file=file)) for file in files)
        self.look()

    async def _file(self, visitor: str, attachment: dict[str, Any]) -> HeldFile:
        """Fetch what came with a message."""
        found = await self._http.get(f"/widget/pictures/{attachment['id']}", headers=self._head(visitor))
        mime = found.headers.get("content-type", "") if found.is_success else ""
        return HeldFile(found.content if found.is_success else b"", mime, attachment.get("name") or "file")


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
