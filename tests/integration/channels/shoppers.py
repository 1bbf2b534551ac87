"""A shopper before a screen: writes, takes what is offered as the platform offers it, reads."""

from __future__ import annotations

import re
from typing import Any, Protocol

import httpx

from bot.domain.clock import Clock
from bot.simulators.phones.journal import Journal
from bot.simulators.phones.screen import Act, Mark, Person
from bot.simulators.phones.wire import Wire
from bot.simulators.web.phone import WebPhone
from tests.unit.channels.doubles import eventually


class Shopper(Protocol):
    """Whoever writes to the shop; texts and labels in the shopper's words."""

    async def say(self, text: str) -> None:
        """Write."""

    async def choose(self, label: str) -> None:
        """Take an offered choice."""

    async def screen(self) -> list[str]:
        """Read everything that was said to him."""


class OnPlatform:
    """Somebody on a simulated platform, which calls our webhook."""

    def __init__(self, people: Any, who: Any) -> None:
        self.people = people
        self._who = who

    async def say(self, text: str) -> None:
        """Write; the webhook takes it."""
        self._taken(await self.people.say(self._who, text))

    async def choose(self, label: str) -> None:
        """Press the button of that label, or where choices are numbered write the number."""
        shown = self.people.screen(self._who)[-1]
        number = re.search(rf"^(\d+)\. {re.escape(label)}$", shown, re.MULTILINE)
        if number:
            await self.say(number[1])
        else:
            self._taken(await self.people.press(self._who, label))

    async def screen(self) -> list[str]:
        """Read the chat."""
        found: list[str] = self.people.screen(self._who)
        return found

    def _taken(self, answer: httpx.Response) -> None:
        assert answer.status_code == 200, answer.text
        # What WeChat itself tells a follower when an account answers late or wrongly.
        assert not getattr(self.people, "notices", [])


class OnPage:
    """Somebody on a page with the widget: hears the shop over the stream, and finds the same in the history."""

    def __init__(self, address: str, clock: Clock, language: str) -> None:
        self._wire = Wire(Journal(lambda: clock.now().isoformat()))
        self._http = self._wire.client(address)
        self._phone = WebPhone(self._http, self._wire, clock)
        self._language = language
        self._person: Person | None = None

    async def say(self, text: str) -> None:
        """Write; the widget's route takes it."""
        await self._do(Act.TEXT, text)

    async def choose(self, label: str) -> None:
        """Press the quick reply."""
        await self._do(Act.PRESS, label)

    async def screen(self) -> list[str]:
        """Read the page once it has heard all that is on record."""
        if self._person is None:
            return []
        head = {"Authorization": f"Bearer {self._phone._tokens[self._person.id]}"}
        answer = await self._http.get("/widget/history", params={"limit": 100}, headers=head)
        said = [item["text"] for item in answer.json()["items"] if item["sender"] != "customer"]
        shown = self._shown
        await eventually(lambda: len(shown()) >= len(said))
        assert shown() == said
        return said

    async def leave(self) -> None:
        """Close the page."""
        await self._phone.close()

    async def _do(self, act: Act, text: str) -> None:
        if self._person is None:
            self._person = await self._phone.meet()
        bubble = await self._phone.act(act, text, self._language)
        await eventually(lambda: bubble.mark is not Mark.SENDING)
        assert bubble.mark is Mark.DELIVERED, f"{text!r} was not taken"

    def _shown(self) -> list[str]:
        assert self._person is not None
        return [bubble.text for bubble in self._person.bubbles if bubble.by == "shop"]
