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
from bot.simulators.phones.phone import Lever, Phone, flag, next_answer, once
from bot.simulators.phones.picture import keep_picture
from bot.simulators.phones.screen import Act, Person, Shown
from bot.simulators.phones.wire import Wire

_QUOTE = {"quoteToken": "q3Plxr4AgKd"}
_STICKER = {"packageId": "446", "stickerId": "1988", "stickerResourceType": "STATIC", "keywords": ["thumbs up"]}


class LinePhone(Phone):
    """Chats with the shop's LINE account."""

    name = "line"
    acts = (Act.TEXT, Act.PRESS, Act.IMAGE, Act.STICKER, Act.LOCATION, Act.FOLLOW, Act.BLOCK)

    def __init__(self, people: LinePeople, hold: MediaHold, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._hold = hold
        self._friends = people
        self._typing = people.server.typing
        self._read = 0

    async def _stranger(self, number: int, name: str) -> str:
        del number, name
        return f"U{secrets.token_hex(16)}"

    async def _do(self, person: Person, act: Act, text: str) -> httpx.Response | None:
        friends, user = self._friends, person.id
        if act is Act.TEXT:
            return await friends.say(user, text)
        if act is Act.PRESS:
            return await friends.press(user, text)
        if act is Act.FOLLOW:
            return await friends.follow(user)
        if act is Act.BLOCK:
            return await friends.unfollow(user)
        if act is Act.IMAGE:
            kept = {"id": keep_picture(self._hold), "contentProvider": {"type": "line"}}
            return await friends.send(user, type="image", **kept, **_QUOTE)
        return await friends.send(user, type=act.value, **_content(person, act))

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for shown in self._friends.server.shown[self._read :]:
            self._read += 1
            message = shown.message
            labels = tuple(label for label, _ in message.buttons)
            yield shown.to, Shown(message.text, labels, "quick" if message.quick else "keys")

    def _levers(self) -> Mapping[str, Lever]:
        knobs = self._friends.server.knobs
        return {
            "busy": next_answer(knobs, "fail_next", (429, "The API rate limit has been exceeded. Try again later.")),
            "closed": flag(knobs, "window_closed"),
            "drop": once(knobs, "drop_next"),
            "expired": flag(knobs, "token_expired"),
        }


def _content(person: Person, act: Act) -> dict[str, Any]:
    if act is Act.STICKER:
        return _QUOTE | _STICKER
    place = asdict(person.place)
    return {"title": place.pop("name"), **place}
