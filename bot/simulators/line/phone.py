"""A phone with the simulated LINE."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import httpx

from bot.domain.clock import Clock
from bot.simulators.line.people import LinePeople
from bot.simulators.media import MediaHold
from bot.simulators.phones.levers import Lever, flag, next_send, once, pause, retrying
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.samples import keep
from bot.simulators.phones.screen import Act, Bubble, Deed, Person, Room, Shown
from bot.simulators.phones.wire import Wire

_QUOTE = {"quoteToken": "q3Plxr4AgKd"}
_STICKER = {"packageId": "446", "stickerId": "1988", "stickerResourceType": "STATIC", "keywords": ["thumbs up"]}
_TYPES = {Act.IMAGE: "image", Act.VOICE: "audio", Act.VIDEO: "video", Act.FILE: "file"}


class LinePhone(Phone):
    """Chats with the shop's LINE account; what has arrived is shown as read."""

    name = "line"
    acts = (
        Act.TEXT,
        Act.PRESS,
        Act.IMAGE,
        Act.VOICE,
        Act.VIDEO,
        Act.FILE,
        Act.STICKER,
        Act.LOCATION,
        Act.RECALL,
        Act.FOLLOW,
        Act.BLOCK,
    )

    def __init__(self, people: LinePeople, hold: MediaHold, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._hold = hold
        self._friends = people
        self._typing = people.server.typing
        self._read = 0

    async def _stranger(self, number: int, name: str) -> str:
        del number, name
        return f"U{secrets.token_hex(16)}"

    async def _do(self, person: Person, deed: Deed) -> httpx.Response | None:
        friends, user = self._friends, person.id
        if deed.act is Act.PRESS:
            return await friends.press(user, deed.text)
        if deed.act is Act.FOLLOW:
            return await friends.follow(user)
        if deed.act is Act.BLOCK:
            return await friends.unfollow(user)
        if deed.act is Act.RECALL:
            return await friends.unsend(user, deed.concerned)
        message = self._message(person, deed)
        deed.bubble.id = message["id"]
        return await friends.send(user, **message)

    def _message(self, person: Person, deed: Deed) -> dict[str, Any]:
        number = str(4 * 10**17 + secrets.randbelow(10**17))
        if deed.act is Act.TEXT:
            return {"id": number, "type": "text", "text": deed.text, **_QUOTE}
        if deed.act is Act.STICKER:
            return {"id": number, "type": "sticker", **_QUOTE, **_STICKER}
        if deed.act is Act.LOCATION:
            place = asdict(person.place)
            return {"id": number, "type": "location", "title": place.pop("name"), **place}
        file = deed.enclosed
        kept = {"id": keep(self._hold, file), "type": _TYPES[deed.act], "contentProvider": {"type": "line"}}
        more: dict[Act, dict[str, Any]] = {
            Act.IMAGE: _QUOTE,
            Act.VOICE: {"duration": 1000},
            Act.VIDEO: {"duration": 1000, **_QUOTE},
            Act.FILE: {"fileName": file.name, "fileSize": len(file.data)},
        }
        return kept | more[deed.act]

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for shown in self._friends.server.shown[self._read :]:
            self._read += 1
            message = shown.message
            labels = tuple(label for label, _ in message.buttons)
            yield shown.to, Shown(message.text, labels, "quick" if message.quick else "keys")

    def _is_read(self, bubble: Bubble) -> bool:
        del bubble
        return True

    def _room(self, person: Person) -> Room | None:
        """Tell how many may still be pushed this month; an answer to fresh words is not counted."""
        server = self._friends.server
        if person.id not in server.friends:
            return None
        left = server.knobs.monthly_limit - sum(shown.billed for shown in server.shown)
        return Room(None if person.blocking or left <= 0 else self._clock.now(), max(left, 0))

    def _levers(self) -> Mapping[str, Lever]:
        knobs = self._friends.server.knobs
        usual = knobs.monthly_limit
        return {
            "retry": retrying(self._friends.courier.knobs),
            "busy": next_send(knobs, (429, "The API rate limit has been exceeded. Try again later.")),
            "closed": flag(knobs, "window_closed"),
            "quota": Lever(
                lambda: knobs.monthly_limit == 0, lambda on: setattr(knobs, "monthly_limit", 0 if on else usual)
            ),
            "api_slow": pause(knobs),
            "drop": once(knobs, "drop_next"),
            "expired": flag(knobs, "token_expired"),
        }
