"""A phone with the simulated WhatsApp."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold
from bot.simulators.meta.graph import Declined
from bot.simulators.phones.levers import Lever, flag, next_send, once, pause, retrying
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.samples import keep
from bot.simulators.phones.screen import Act, Bubble, Deed, Mark, Person, Room, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.whatsapp.people import WhatsappPeople
from bot.simulators.whatsapp.server import WINDOW

_UNDELIVERABLE = {"code": 131026, "title": "Message undeliverable"}
_TYPES = {Act.IMAGE: "image", Act.VOICE: "audio", Act.VIDEO: "video", Act.FILE: "document", Act.STICKER: "sticker"}


class WhatsappPhone(Phone):
    """Chats with the shop's number; what is on the screen is reported delivered and read.

    ``failing`` counts messages of the shop that are taken and then reported as failed.
    """

    name = "whatsapp"
    acts = (
        Act.TEXT,
        Act.PRESS,
        Act.IMAGE,
        Act.VOICE,
        Act.VIDEO,
        Act.FILE,
        Act.STICKER,
        Act.LOCATION,
        Act.EDIT,
        Act.RECALL,
        Act.BLOCK,
        Act.UNBLOCK,
    )
    reports = True

    def __init__(self, people: WhatsappPeople, hold: MediaHold, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._hold = hold
        self._customers = people
        self._typing = people.server.typing
        self._read = self.failing = 0
        self._base = 16_505_550_000 + secrets.randbelow(90) * 100

    async def _stranger(self, number: int, name: str) -> str:
        user = str(self._base + number)
        self._customers.names[user] = name
        return user

    async def _do(self, person: Person, deed: Deed) -> httpx.Response | None:
        customers, user = self._customers, person.id
        blocked = customers.server.blocked
        if deed.act in {Act.BLOCK, Act.UNBLOCK}:
            (blocked.add if deed.act is Act.BLOCK else blocked.discard)(user)  # WhatsApp tells the shop nothing of it
            return None
        if deed.act is Act.PRESS:
            return await customers.press(user, deed.text)
        if deed.act is Act.EDIT:
            words = {"type": "text", "text": {"body": deed.text}}
            return await self._revise(user, "edit", original_message_id=deed.concerned, message=words)
        if deed.act is Act.RECALL:
            return await self._revise(user, "revoke", original_message_id=deed.concerned)
        message = customers.message(user, **self._content(person, deed))
        deed.bubble.id = message["id"]
        return await customers.deliver(message)

    async def _revise(self, user: str, kind: str, **content: Any) -> httpx.Response:
        """Change a message or take it back; that opens no window."""
        wrote_at = self._customers.server.customers.get(user)
        message = self._customers.message(user, kind, **{kind: content})
        if wrote_at is not None:
            self._customers.server.customers[user] = wrote_at
        return await self._customers.deliver(message)

    def _content(self, person: Person, deed: Deed) -> dict[str, Any]:
        if deed.act is Act.LOCATION:
            return {"kind": "location", "location": asdict(person.place)}
        if deed.act is Act.TEXT:
            return {"kind": "text", "text": {"body": deed.text}}
        kind = _TYPES[deed.act]
        file = deed.enclosed
        held = {"mime_type": file.mime, "sha256": "c2ltdWxhdGVk", "id": keep(self._hold, file)}
        if deed.act is Act.FILE:
            return {"kind": kind, kind: held | {"filename": file.name}}
        return {"kind": kind, kind: held | ({"voice": True} if deed.act is Act.VOICE else {})}

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for shown in self._customers.server.shown[self._read :]:
            self._read += 1
            if self.failing:
                self.failing -= 1
                self._later(self._customers.status(shown.id, "failed", errors=[_UNDELIVERABLE]))
                continue
            labels, file = tuple(label for label, _ in shown.buttons), self._hold.there(shown.media)
            yield shown.to, Shown(shown.text, labels, shown.style, shown.id, file)

    async def _report(self, person: Person, bubble: Bubble, mark: Mark) -> None:
        del person
        if mark is Mark.DELIVERED:
            await self._customers.status(bubble.id, "sent")
        await self._customers.status(bubble.id, mark.value)

    def _is_read(self, bubble: Bubble) -> bool:
        return bubble.id in self._customers.server.read

    def _room(self, person: Person) -> Room | None:
        server = self._customers.server
        wrote_at = server.customers.get(person.id)
        if wrote_at is None:
            return None
        until = wrote_at + WINDOW
        is_open = self._clock.now() <= until and not server.knobs.window_closed and not person.blocking
        return Room(until if is_open else None)

    def _levers(self) -> Mapping[str, Lever]:
        knobs = self._customers.server.knobs
        return {
            "retry": retrying(self._customers.courier.knobs),
            "busy": next_send(knobs, Declined(429, 130429, "Rate limit hit")),
            "closed": flag(knobs, "window_closed"),
            "refused_later": once(self, "failing"),
            "api_slow": pause(knobs),
            "drop": once(knobs, "drop_next"),
            "expired": flag(knobs, "token_expired"),
        }
