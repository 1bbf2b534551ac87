"""What simulated people do arrives in the platform's own shape, and what they have shut out does not reach them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import httpx
import pytest

from bot.domain.clock import ManualClock, SystemClock
from bot.simulators.line.people import LinePeople
from bot.simulators.line.server import LineServer
from bot.simulators.meta.graph import MetaApp, ShownMessage
from bot.simulators.phones.journal import Journal
from bot.simulators.phones.levers import Lever
from bot.simulators.phones.phone import Phone
from bot.simulators.phones.screen import Act, Bubble, Deed, Person, Shown
from bot.simulators.phones.wire import Wire
from bot.simulators.typing_shown import TypingShown
from bot.simulators.whatsapp.people import WhatsappPeople
from bot.simulators.whatsapp.server import WhatsappServer
from tests.unit.channels.doubles import eventually

NOW = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
ANN, LONG = "16505550001", "Something is missing from it"


def taken(_: httpx.Request) -> httpx.Response:
    """Take every call."""
    return httpx.Response(200)


def shop() -> httpx.AsyncClient:
    """Make a shop that takes every call."""
    return httpx.AsyncClient(transport=httpx.MockTransport(taken), base_url="http://shop.example")


@pytest.mark.parametrize(
    ("label", "row"),
    [
        ("Arrived damaged", {"title": "Arrived damaged"}),
        (LONG, {"title": "Something is missing fr…", "description": LONG}),
    ],
)
async def test_row_of_whatsapp_is_told_by_title_and_description(label: str, row: dict[str, str]) -> None:
    """As the real one tells it: a title is never longer than 24."""
    server = WhatsappServer(MetaApp("token", "secret", "verify"), "1", ManualClock(NOW))
    server.shown.append(ShownMessage("wamid.1", ANN, "What is it about?", ((label, "=damaged"),), style="list"))
    people = WhatsappPeople(server, shop(), "/hook")
    await people.press(ANN, label)
    (message,) = json.loads(people.bodies[-1])["entry"][0]["changes"][0]["value"]["messages"]
    assert message["interactive"]["list_reply"] == {"id": "=damaged"} | row


async def test_friend_who_has_blocked_the_account_is_shown_nothing() -> None:
    """What is pushed meanwhile is taken, not shown and not counted; unblocking is told as such."""
    server = LineServer("token", ManualClock(NOW))
    people = LinePeople(server, shop(), "/hook", "secret")
    await people.follow("U1")
    await people.unfollow("U1")
    push = {"to": "U1", "messages": [{"type": "text", "text": "still there?"}]}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url="http://line.example") as http:
        answers = [
            await http.post("/v2/bot/message/push", json=push, headers={"Authorization": "Bearer token"})
            for _ in range(2)
        ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len({answer.json()["sentMessages"][0]["id"] for answer in answers}) == 2
    assert server.shown == []
    await people.follow("U1")
    told = [json.loads(body)["events"][0].get("follow") for body in people.bodies]
    assert told == [{"isUnblocked": False}, None, {"isUnblocked": True}]


@pytest.mark.parametrize(
    ("kind", "number", "can"),
    [
        ("text", "m1", {Act.EDIT, Act.RECALL}),
        ("image", "m1", {Act.RECALL}),
        ("recalled", "m1", set()),
        ("text", "", set()),
    ],
)
def test_message_becomes_what_it_can(kind: str, number: str, can: set[Act]) -> None:
    """Words are edited, everything is taken back once, and nothing before it has arrived."""
    bubble = Bubble(1, NOW, "me", kind, "hello", id=number)
    assert {act for act in (Act.EDIT, Act.RECALL) if bubble.can_become(act)} == can


class Quiet(Phone):
    """A phone on which nothing happens but typing."""

    name = "quiet"
    acts = (Act.TEXT,)
    counts = False

    def __init__(self, lasts_s: float) -> None:
        super().__init__(Wire(Journal(lambda: "now"), httpx.MockTransport(taken)), SystemClock())
        self._typing = self.signs = TypingShown(SystemClock(), lasts_s)

    async def _stranger(self, number: int, name: str) -> str:
        return f"{name}{number}"

    async def _do(self, person: Person, deed: Deed) -> httpx.Response | None:
        del person, deed
        return None

    def _news(self) -> Iterator[tuple[str, Shown]]:
        return iter(())

    def _levers(self) -> Mapping[str, Lever]:
        return {}


async def test_typing_goes_away_by_itself() -> None:
    """Also when nothing else happens, whoever watches is told to look again."""
    phone = Quiet(lasts_s=0.05)
    person = await phone.meet()
    phone.signs.show(person.id)
    phone.look()
    assert phone.as_json()["typing"] is True
    rung = asyncio.Event()
    phone.watchers.add(rung.set)
    await eventually(lambda: rung.is_set() and phone.as_json()["typing"] is False)
    await phone.close()
