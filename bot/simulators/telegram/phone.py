"""A phone with the simulated Telegram."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold
from bot.simulators.phones.phone import Lever, Phone, flag, next_answer, once
from bot.simulators.phones.picture import keep_picture, shown_files
from bot.simulators.phones.screen import Act, Person, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.telegram.people import TelegramPeople
from bot.simulators.telegram.server import Declined, TelegramServer

_STICKER = {
    "file_id": "CAACAgUAAxkSim",
    "file_unique_id": "AgADsim",
    "type": "regular",
    "width": 512,
    "height": 512,
    "is_animated": False,
    "is_video": False,
    "emoji": "👍",
}
_PLACE = {"latitude": 31.2304, "longitude": 121.4737}
_CONTENT: dict[Act, dict[str, Any]] = {
    Act.STICKER: {"sticker": _STICKER},
    Act.LOCATION: {"location": _PLACE},
}
_LANGUAGES = {"zh": "zh-hans", "en": "en"}


class TelegramPhone(Phone):
    """Private chats with the shop's bot."""

    name = "telegram"
    acts = (Act.TEXT, Act.PRESS, Act.IMAGE, Act.STICKER, Act.LOCATION, Act.FOLLOW, Act.BLOCK)

    def __init__(self, people: TelegramPeople, hold: MediaHold, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._hold = hold
        self._users = people
        self._typing = people.server.typing
        self._server: TelegramServer = people.server
        self._read = 0
        self._base = (1 + secrets.randbelow(10**6)) * 1000

    async def _stranger(self, number: int, name: str) -> str:
        self._users.meet(self._base + number, name)
        return str(self._base + number)

    async def _do(self, person: Person, act: Act, text: str) -> httpx.Response | None:
        chat, users = int(person.id), self._users
        users.languages[chat] = _LANGUAGES[person.language]
        if act is Act.FOLLOW:
            if chat in self._server.blocked:
                await users.unblock(chat)
            return await users.say(chat, "/start", entities=[{"type": "bot_command", "offset": 0, "length": 6}])
        if act is Act.BLOCK:
            return await users.block(chat)
        if act is Act.PRESS:
            return await users.press(chat, text)
        if act is Act.TEXT:
            return await users.say(chat, text)
        content = _CONTENT.get(act) or {"photo": [_photo(keep_picture(self._hold))]}
        return await users.deliver({"message": users.message(chat, **content)})

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for sent in self._server.sent[self._read :]:
            self._read += 1
            yield str(sent.chat_id), Shown(sent.text, tuple(label for label, _ in sent.buttons))
        yield from shown_files(self._hold)

    def _levers(self) -> Mapping[str, Lever]:
        knobs = self._server.knobs
        busy = Declined(429, "Too Many Requests: retry after 3", retry_after=3)
        return {
            "busy": next_answer(knobs, "fail_next", busy),
            "drop": once(knobs, "drop_next"),
            "expired": flag(knobs, "revoked"),
        }


def _photo(file_id: str) -> dict[str, Any]:
    return {"file_id": file_id, "file_unique_id": file_id, "width": 360, "height": 300}
