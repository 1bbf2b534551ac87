"""A phone with the simulated Telegram."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold
from bot.simulators.phones.levers import Lever, flag, next_send, once, pause, retrying
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.samples import keep
from bot.simulators.phones.screen import FILES, Act, Deed, Person, Shown
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
_LANGUAGES = {"zh": "zh-hans", "en": "en"}


class TelegramPhone(Phone):
    """Private chats with the shop's bot; bots are not told of messages that were deleted."""

    name = "telegram"
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
        Act.FOLLOW,
        Act.BLOCK,
    )
    counts = False

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

    async def _do(self, person: Person, deed: Deed) -> httpx.Response | None:
        chat, users = int(person.id), self._users
        users.languages[chat] = _LANGUAGES[person.language]
        if deed.act is Act.FOLLOW:
            if chat in self._server.blocked:
                await users.unblock(chat)
            return await users.say(chat, "/start", entities=[{"type": "bot_command", "offset": 0, "length": 6}])
        if deed.act is Act.BLOCK:
            return await users.block(chat)
        if deed.act is Act.PRESS:
            return await users.press(chat, deed.text)
        if deed.act is Act.EDIT:
            edited = users.message(chat, text=deed.text, edit_date=int(self._clock.now().timestamp()))
            return await users.deliver({"edited_message": edited | {"message_id": int(deed.concerned)}})
        message = users.message(chat, **self._content(person, deed))
        deed.bubble.id = str(message["message_id"])
        return await users.deliver({"message": message})

    def _content(self, person: Person, deed: Deed) -> dict[str, Any]:
        if deed.act in FILES:
            file = deed.enclosed
            number = keep(self._hold, file)
            held = {"file_id": number, "file_unique_id": number, "mime_type": file.mime, "file_name": file.name}
            return _file(deed.act, held)
        if deed.act is Act.STICKER:
            return {"sticker": _STICKER}
        if deed.act is Act.LOCATION:
            return {"location": {"latitude": person.place.latitude, "longitude": person.place.longitude}}
        return {"text": deed.text}

    def _news(self) -> Iterator[tuple[str, Shown]]:
        for sent in self._server.sent[self._read :]:
            self._read += 1
            yield str(sent.chat_id), Shown(sent.text, tuple(label for label, _ in sent.buttons), file=sent.file)

    def _levers(self) -> Mapping[str, Lever]:
        knobs = self._server.knobs
        busy = Declined(429, "Too Many Requests: retry after 3", retry_after=3)
        return {
            "retry": retrying(self._users),
            "busy": next_send(knobs, busy),
            "api_slow": pause(knobs),
            "drop": once(knobs, "drop_next"),
            "expired": flag(knobs, "revoked"),
        }


def _file(act: Act, held: dict[str, str]) -> dict[str, Any]:
    """Shape a file as Telegram describes its kind."""
    size = {"width": 360, "height": 300}
    if act is Act.IMAGE:
        return {"photo": [{"file_id": held["file_id"], "file_unique_id": held["file_unique_id"]} | size]}
    if act is Act.VOICE:
        return {"voice": {name: value for name, value in held.items() if name != "file_name"} | {"duration": 1}}
    if act is Act.VIDEO:
        return {"video": held | size | {"duration": 1}}
    return {"document": held}
