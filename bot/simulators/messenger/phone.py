"""Phones with the simulated Messenger and the simulated Instagram."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import HeldFile, MediaHold
from bot.simulators.messenger.people import MessengerPeople
from bot.simulators.messenger.server import WINDOW
from bot.simulators.meta.graph import Declined
from bot.simulators.phones.levers import Lever, flag, next_send, once, pause, retrying
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.samples import keep
from bot.simulators.phones.screen import Act, Bubble, Deed, Mark, Move, Person, Room, Shown
from bot.simulators.phones.wire import Wire

_THUMB_ID = 369239263222822
_TYPES = {Act.IMAGE: "image", Act.VOICE: "audio", Act.VIDEO: "video", Act.FILE: "file"}


class MessengerPhone(Phone):
    """Chats with the shop's Page; what is on the screen is reported delivered and read.

    ``kept`` is where the platform keeps what people send (an address on its host), and what it was given.
    """

    name = "messenger"
    acts: ClassVar[tuple[Act, ...]] = (
        Act.TEXT,
        Act.PRESS,
        Act.IMAGE,
        Act.VOICE,
        Act.VIDEO,
        Act.FILE,
        Act.STICKER,
        Act.LOCATION,
        Act.EDIT,
        Act.FOLLOW,
        Act.BLOCK,
        Act.UNBLOCK,
    )
    reports = True
    moves = tuple(Move)

    def __init__(self, people: MessengerPeople, kept: tuple[str, MediaHold], wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._writers = people
        self._typing = people.server.typing
        self._host, self._hold = httpx.URL(kept[0]), kept[1]
        self._read = 0
        self._base = 7_295_380_000_000_000 + secrets.randbelow(10**9) * 1000

    async def _stranger(self, number: int, name: str) -> str:
        del name
        return str(self._base + number)

    async def _do(self, person: Person, deed: Deed) -> httpx.Response | None:
        writers, user = self._writers, person.id
        blocked = writers.server.blocked
        if deed.act in {Act.BLOCK, Act.UNBLOCK}:
            (blocked.add if deed.act is Act.BLOCK else blocked.discard)(user)  # the shop is told nothing of it
            return None
        blocked.discard(user)
        if deed.act is Act.PRESS:
            return await writers.press(user, deed.text)
        if deed.act is Act.FOLLOW:
            pressed = {"title": "Get started", "payload": "GET_STARTED"}
            return await writers.deliver(writers.event(user, postback=pressed))
        if deed.act is Act.EDIT:
            edit = {"mid": deed.concerned, "text": deed.text, "num_edit": 1}
            return await self._revise(user, message_edit=edit)
        if deed.act is Act.RECALL:
            return await self._revise(user, message={"mid": deed.concerned, "is_deleted": True})
        deed.bubble.id = f"m_{self.name}_{user}_{secrets.token_hex(6)}"
        event = writers.event(user, message={"mid": deed.bubble.id, **self._content(person, deed)})
        # While the inbox has the thread, the app only overhears it.
        place = "standby" if user in writers.server.held_elsewhere else "messaging"
        return await writers.deliver_entry(**{place: [event]})

    async def _revise(self, user: str, **fields: Any) -> httpx.Response:
        """Let something happen that opens no window."""
        wrote_at = self._writers.server.people.get(user)
        event = self._writers.event(user, **fields)
        if wrote_at is not None:
            self._writers.server.people[user] = wrote_at
        return await self._writers.deliver(event)

    def _content(self, person: Person, deed: Deed) -> dict[str, Any]:
        if deed.act is Act.TEXT:
            return {"text": deed.text}
        if deed.act is Act.LOCATION:
            spot = {"lat": person.place.latitude, "long": person.place.longitude}
            return {"attachments": [{"type": "location", "payload": {"coordinates": spot}}]}
        if deed.act is Act.STICKER:
            thumb = {"url": self._address(deed.enclosed), "sticker_id": _THUMB_ID}
            return {"attachments": [{"type": "image", "payload": thumb}]}
        return {"attachments": [{"type": _TYPES[deed.act], "payload": {"url": self._address(deed.enclosed)}}]}

    def _address(self, file: HeldFile) -> str:
        """Keep a file where the shop may fetch it."""
        return str(self._host.join(f"/{self.name}/files/{keep(self._hold, file)}"))

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for shown in self._writers.server.shown[self._read :]:
            self._read += 1
            labels, file = tuple(label for label, _ in shown.buttons), self._hold.there(shown.media)
            yield shown.to, Shown(shown.text, labels, shown.style, shown.id, file)

    async def _report(self, person: Person, bubble: Bubble, mark: Mark) -> None:
        if mark is Mark.DELIVERED:
            await self._writers.receipt(person.id, "delivery", bubble.id)
        else:
            await self._writers.receipt(person.id, "read")

    def _room(self, person: Person) -> Room | None:
        server = self._writers.server
        wrote_at = server.people.get(person.id)
        if wrote_at is None:
            return None
        until = wrote_at + WINDOW
        is_open = self._clock.now() <= until and not server.knobs.window_closed and not person.blocking
        return Room(until if is_open else None)

    async def _move(self, person: Person, move: Move, words: str) -> None:
        writers, user = self._writers, person.id
        if move is Move.TAKE:
            await writers.takes_thread(user)
        elif move is Move.SAY:
            await writers.inbox_says(user, words)
        else:
            await writers.passes_thread(user)

    def _levers(self) -> Mapping[str, Lever]:
        knobs = self._writers.server.knobs
        busy = Declined(429, 613, "Calls to this API have exceeded the rate limit.")
        return {
            "retry": retrying(self._writers.courier.knobs),
            "busy": next_send(knobs, busy),
            "closed": flag(knobs, "window_closed"),
            "api_slow": pause(knobs),
            "drop": once(knobs, "drop_next"),
            "expired": flag(knobs, "token_expired"),
        }


class InstagramPhone(MessengerPhone):
    """Chats with the shop's Instagram account: no files but pictures, voice and films; messages can be unsent."""

    name = "instagram"
    acts: ClassVar[tuple[Act, ...]] = (
        Act.TEXT,
        Act.PRESS,
        Act.IMAGE,
        Act.VOICE,
        Act.VIDEO,
        Act.EDIT,
        Act.RECALL,
        Act.BLOCK,
        Act.UNBLOCK,
    )

    async def _report(self, person: Person, bubble: Bubble, mark: Mark) -> None:
        """Report what was read; Instagram tells nothing of delivery."""
        if mark is Mark.READ:
            await self._revise(person.id, read={"mid": bubble.id})
