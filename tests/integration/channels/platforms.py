"""LINE, WhatsApp, Messenger and Instagram as a shopper meets them: one shape over their simulators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from bot.domain.clock import Clock
from bot.simulators.courier import Courier
from bot.simulators.line.people import LinePeople
from bot.simulators.line.server import LineServer
from bot.simulators.messenger.people import MessengerPeople
from bot.simulators.messenger.server import MessengerServer
from bot.simulators.meta.graph import MetaApp
from bot.simulators.whatsapp.people import WhatsappPeople
from bot.simulators.whatsapp.server import WhatsappServer

LINE_SECRET, LINE_TOKEN = "line-channel-secret", "line-access-token"
APP = MetaApp("meta-access-token", "meta-app-secret", "meta-verify-token")
NODES = {"whatsapp": "106540352242922", "messenger": "682498302938465", "instagram": "17841405822304914"}
SHOPPERS = {
    "line": "U4af4980629f8d8e3e2b2f1a3c5d6e7f8",
    "whatsapp": "16505551234",
    "messenger": "7295384610293847",
    "instagram": "1237839264572394",
}


class People(Protocol):
    """What every platform's people can do."""

    courier: Courier
    bodies: list[bytes]

    async def say(self, user: str, text: str) -> httpx.Response:
        """Write."""

    async def press(self, user: str, label: str) -> httpx.Response:
        """Take a choice."""

    async def deliver_again(self, number: int = -1) -> httpx.Response:
        """Deliver a body again."""

    def screen(self, user: str) -> list[str]:
        """Read everything that was said."""


@dataclass(frozen=True)
class Platform:
    """A simulated platform; ``people`` makes its people for a client of our webhook."""

    name: str
    server: Any
    people: Callable[[httpx.AsyncClient], People]

    @property
    def shopper(self) -> str:
        """Name the shopper of the tests."""
        return SHOPPERS[self.name]

    @property
    def webhook(self) -> str:
        """Name our webhook."""
        return f"/webhooks/{self.name}"


def simulated(name: str, clock: Clock) -> Platform:
    """Make a platform."""
    hook = f"/webhooks/{name}"
    if name == "line":
        line = LineServer(LINE_TOKEN, clock)
        return Platform(name, line, lambda http: LinePeople(line, http, hook, LINE_SECRET))
    if name == "whatsapp":
        whatsapp = WhatsappServer(APP, NODES[name], clock)
        return Platform(name, whatsapp, lambda http: WhatsappPeople(whatsapp, http, hook))
    messenger = MessengerServer(APP, NODES[name], clock, name)
    return Platform(name, messenger, lambda http: MessengerPeople(messenger, http, hook))
