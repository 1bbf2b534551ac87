"""A phone with the simulated WeChat, in the chat with a company's customer service."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold
from bot.simulators.phones.phone import Lever, Phone, flag, next_answer, once
from bot.simulators.phones.picture import keep_picture
from bot.simulators.phones.screen import Act, Person, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.wecom_kf.people import KfPeople

_BUSY = 45009


class KfPhone(Phone):
    """Customers of one customer-service account."""

    name = "wecom_kf"
    acts = (Act.TEXT, Act.PRESS, Act.IMAGE, Act.STICKER, Act.LOCATION, Act.FOLLOW)

    def __init__(self, people: KfPeople, hold: MediaHold, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._customers = people
        self._hold = hold
        self._account = people.server.accounts[0]
        self._read = 0

    async def _stranger(self, number: int, name: str) -> str:
        del number, name
        return f"wmSim_{secrets.token_hex(12)}"

    async def _do(self, person: Person, act: Act, text: str) -> httpx.Response | None:
        customers, who, account = self._customers, person.id, self._account
        if act is Act.FOLLOW:
            return await customers.enter(who, account)
        if act is Act.PRESS:
            return await customers.press(who, text, account)
        if act is Act.IMAGE:
            return await customers.message(who, "image", {"media_id": keep_picture(self._hold)}, account)
        if act is Act.LOCATION:
            return await customers.message(who, "location", asdict(person.place), account)
        return await customers.say(who, "👍" if act is Act.STICKER else text, account)

    def _news(self) -> Iterator[tuple[str, Shown]]:
        server = self._customers.server
        for (_, customer, text), items in zip(server.sent[self._read :], server.offered[self._read :], strict=True):
            self._read += 1
            yield customer, Shown(text, tuple(words for _, words in items), "menu")

    def _levers(self) -> Mapping[str, Lever]:
        server = self._customers.server
        return {
            "busy": next_answer(server.knobs, "fail_next", _BUSY),
            "closed": flag(server.knobs, "window_closed"),
            "drop": once(server.knobs, "drop_next"),
            "expired": Lever(lambda: False, lambda on: server.expire_token() if on else None),
        }
