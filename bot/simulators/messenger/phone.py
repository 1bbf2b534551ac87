"""A phone with the simulated Messenger."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold
from bot.simulators.messenger.people import MessengerPeople
from bot.simulators.meta.graph import Declined
from bot.simulators.phones.phone import Lever, Phone, flag, next_answer, once
from bot.simulators.phones.picture import shown_files
from bot.simulators.phones.screen import Act, Person, Shown
from bot.simulators.phones.wire import Wire

_THUMB_ID = 369239263222822
_PLACE = {"type": "location", "payload": {"coordinates": {"lat": 31.2304, "long": 121.4737}}}


class MessengerPhone(Phone):
    """Chats with the shop's Page; what is on the screen is reported delivered and read.

    ``kept`` is where the platform keeps what people send, and what it was given.
    """

    name = "messenger"
    acts = (Act.TEXT, Act.PRESS, Act.IMAGE, Act.STICKER, Act.LOCATION, Act.FOLLOW, Act.BLOCK)

    def __init__(self, people: MessengerPeople, kept: tuple[str, MediaHold], wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._writers = people
        self._typing = people.server.typing
        self._picture_url, self._hold = kept
        self._read = 0
        self._base = 7_295_380_000_000_000 + secrets.randbelow(10**9) * 1000

    async def _stranger(self, number: int, name: str) -> str:
        del name
        return str(self._base + number)

    async def _do(self, person: Person, act: Act, text: str) -> httpx.Response | None:
        writers, user = self._writers, person.id
        if act is Act.BLOCK:
            writers.server.blocked.add(user)  # Messenger tells the shop nothing of it
            return None
        writers.server.blocked.discard(user)
        if act is Act.TEXT:
            return await writers.say(user, text)
        if act is Act.PRESS:
            return await writers.press(user, text)
        if act is Act.FOLLOW:
            pressed = {"title": "Get started", "payload": "GET_STARTED"}
            return await writers.deliver(writers.event(user, postback=pressed))
        if act is Act.LOCATION:
            return await writers.send(user, attachments=[_PLACE])
        thumb = {"sticker_id": _THUMB_ID} if act is Act.STICKER else {}
        picture = {"type": "image", "payload": {"url": self._picture_url} | thumb}
        return await writers.send(user, attachments=[picture])

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for shown in self._writers.server.shown[self._read :]:
            self._read += 1
            yield shown.to, Shown(shown.text, tuple(label for label, _ in shown.buttons), shown.style, shown.id)
        yield from shown_files(self._hold)

    def _seen(self, person: Person, shown: Shown) -> None:
        if shown.id:
            self._later(self._report(person.id, shown.id))

    async def _report(self, user: str, number: str) -> None:
        await self._writers.receipt(user, "delivery", number)
        await self._writers.receipt(user, "read")

    def _levers(self) -> Mapping[str, Lever]:
        knobs = self._writers.server.knobs
        return {
            "busy": next_answer(
                knobs, "fail_next", Declined(429, 613, "Calls to this API have exceeded the rate limit.")
            ),
            "closed": flag(knobs, "window_closed"),
            "drop": once(knobs, "drop_next"),
            "expired": flag(knobs, "token_expired"),
        }
