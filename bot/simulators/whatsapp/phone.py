"""A phone with the simulated WhatsApp."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold
from bot.simulators.meta.graph import Declined
from bot.simulators.phones.phone import Lever, Phone, flag, next_answer, once
from bot.simulators.phones.picture import keep_picture
from bot.simulators.phones.screen import Act, Person, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.whatsapp.people import WhatsappPeople

_FILE = {"mime_type": "image/png", "sha256": "c2ltdWxhdGVk"}


class WhatsappPhone(Phone):
    """Chats with the shop's number; what is on the screen is reported delivered and read."""

    name = "whatsapp"
    acts = (Act.TEXT, Act.PRESS, Act.IMAGE, Act.STICKER, Act.LOCATION, Act.BLOCK)

    def __init__(self, people: WhatsappPeople, hold: MediaHold, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._hold = hold
        self._customers = people
        self._typing = people.server.typing
        self._read = 0
        self._base = 16_505_550_000 + secrets.randbelow(90) * 100

    async def _stranger(self, number: int, name: str) -> str:
        user = str(self._base + number)
        self._customers.names[user] = name
        return user

    async def _do(self, person: Person, act: Act, text: str) -> httpx.Response | None:
        customers, user = self._customers, person.id
        blocked = customers.server.blocked
        if act is Act.BLOCK:
            blocked.add(user)  # WhatsApp tells the shop nothing of it
            return None
        blocked.discard(user)
        if act is Act.TEXT:
            return await customers.say(user, text)
        if act is Act.PRESS:
            return await customers.press(user, text)
        content = asdict(person.place) if act is Act.LOCATION else _FILE | {"id": keep_picture(self._hold)}
        return await customers.send(user, act.value, **{act.value: content})

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for shown in self._customers.server.shown[self._read :]:
            self._read += 1
            yield shown.to, Shown(shown.text, tuple(label for label, _ in shown.buttons), shown.style, shown.id)

    def _seen(self, person: Person, shown: Shown) -> None:
        del person
        self._later(self._report(shown.id))

    async def _report(self, number: str) -> None:
        for status in ("sent", "delivered", "read"):
            await self._customers.status(number, status)

    def _levers(self) -> Mapping[str, Lever]:
        knobs = self._customers.server.knobs
        return {
            "busy": next_answer(knobs, "fail_next", Declined(429, 130429, "Rate limit hit")),
            "closed": flag(knobs, "window_closed"),
            "drop": once(knobs, "drop_next"),
            "expired": flag(knobs, "token_expired"),
        }
