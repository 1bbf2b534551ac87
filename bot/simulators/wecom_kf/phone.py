"""A phone with the simulated WeCom customer service."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import httpx

from bot.domain.clock import Clock
from bot.simulators.media import MediaHold
from bot.simulators.phones.levers import Lever, flag, next_answer, next_send, once, pause
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.samples import keep
from bot.simulators.phones.screen import Act, Deed, Move, Person, Room, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.wecom_kf.people import KfPeople
from bot.simulators.wecom_kf.server import WINDOW, WINDOW_MESSAGES

_BUSY = 45009
_REFUSED_BY_CUSTOMER = 10
_CLIP = "📎 "


class KfPhone(Phone):
    """Customers of one customer-service account."""

    name = "wecom_kf"
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
    )
    moves = tuple(Move)

    def __init__(self, people: KfPeople, hold: MediaHold, wire: Wire, clock: Clock) -> None:
        super().__init__(wire, clock)
        self._customers = people
        self._hold = hold
        self._account = people.server.accounts[0]
        self._read = 0

    async def _stranger(self, number: int, name: str) -> str:
        del number, name
        return f"wmSim_{secrets.token_hex(12)}"

    async def _do(self, person: Person, deed: Deed) -> httpx.Response | None:
        customers, who, account = self._customers, person.id, self._account
        if deed.act is Act.FOLLOW:
            return await customers.enter(who, account)
        if deed.act is Act.PRESS:
            return await customers.press(who, deed.text, account)
        if deed.act is Act.RECALL:
            await customers.event(who, "user_recall_msg", {"recall_msgid": deed.concerned}, account)
            return None
        kind, content = self._content(person, deed)
        deed.bubble.id = str(customers.write(who, kind, content, account)["msgid"])
        return await customers.call_back(account)

    def _content(self, person: Person, deed: Deed) -> tuple[str, dict[str, Any]]:
        if deed.act is Act.LOCATION:
            return "location", asdict(person.place)
        if deed.act in {Act.TEXT, Act.STICKER}:
            return "text", {"content": deed.text or "👍"}
        return deed.act.value, {"media_id": keep(self._hold, deed.enclosed)}

    def _news(self) -> Iterator[tuple[str, Shown]]:
        server = self._customers.server
        for (_, customer, text), items in zip(server.sent[self._read :], server.offered[self._read :], strict=True):
            self._read += 1
            file = self._hold.there(text.removeprefix(_CLIP)) if text.startswith(_CLIP) else None
            yield customer, Shown("" if file else text, tuple(words for _, words in items), "menu", file=file)

    def _room(self, person: Person) -> Room | None:
        server = self._customers.server
        session = server.sessions.get((self._account, person.id))
        if session is None or session.spoke_at is None:
            return None
        until = session.spoke_at + WINDOW
        if server.knobs.window_closed or self._clock.now() > until:
            return Room(None)
        left = max(WINDOW_MESSAGES - session.used, 0)
        return Room(until if left else None, left)

    async def _move(self, person: Person, move: Move, words: str) -> None:
        customers, who, account = self._customers, person.id, self._account
        if move is Move.TAKE:
            await customers.take_over(who, account=account)
        elif move is Move.SAY:
            await customers.staff_says(who, words, account=account)
        else:
            await customers.end(who, account)

    def _levers(self) -> Mapping[str, Lever]:
        server = self._customers.server
        return {
            "busy": next_send(server.knobs, _BUSY),
            "closed": flag(server.knobs, "window_closed"),
            "refused_later": next_answer(server.knobs, "refuse_after", _REFUSED_BY_CUSTOMER),
            "api_slow": pause(server.knobs),
            "drop": once(server.knobs, "drop_next"),
            "expired": Lever(lambda: False, lambda on: server.expire_token() if on else None),
        }
