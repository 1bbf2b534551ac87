"""The house is killed at every boundary of what an agent does, on both databases: each act counts once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

import httpx
import pytest

from bot.domain.clock import SystemClock
from bot.domain.desk_ports import NewPerson
from bot.domain.events import AgentUttered, NoticeSent, OwnerChanged
from bot.domain.people import Role
from bot.engine.boundaries import Boundary
from bot.engine.desk_boundaries import DeskBoundary
from bot.simulators.telegram.server import TelegramServer
from storage.database import Database
from storage.people import SqlPeople
from storage.tables import ASSIGNMENTS, CONVERSATIONS, OUTBOX
from tests.durability.child import Arming, Place
from tests.durability.platforms import OnTelegram, served_telegram
from tests.durability.test_kill import Record, Watchman
from tests.ports import free_port

LOGIN = "mei"
ACTS = (
    ("take", ""),
    ("reply", "您好，我来看看"),
    ("give_back", ""),
    ("take", ""),
    ("reply", "已经处理好了"),
    ("resolve", ""),
)
CHANGES = [
    ("with_bot", "waiting_for_agent", 1),
    ("waiting_for_agent", "with_agent", 2),
    ("with_agent", "with_bot", 3),
    ("with_bot", "with_agent", 4),
    ("with_agent", "resolved", 5),
]
KILLS = 4
# After a kill between commit and answer the agent clicks again, which is the first crossing of the next process.
EACH_ACT = [1, 2, 2, 2, 2, 2]
_PATIENCE_S = 120.0
_LOOK_S = 0.02


@pytest.fixture(scope="module")
def telegram() -> Iterator[tuple[TelegramServer, str]]:
    """Serve one Telegram for all tests."""
    with served_telegram() as served:
        yield served


class AtTheDesk:
    """An agent at his console, who clicks again when it did not answer."""

    def __init__(self, port: int, watchman: Watchman, record: Record) -> None:
        self._http = httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)
        self._watchman = watchman
        self._record = record

    async def act(self, what: str, text: str, number: int) -> None:
        """Do one thing until it is done, and until all it left to deliver is delivered."""
        (conversation,) = await self._record.rows(CONVERSATIONS)
        said = {"what": what, "conversation": conversation["id"], "login": LOGIN, "text": text, "key": f"key-{number}"}
        deadline = time.monotonic() + _PATIENCE_S
        done = False
        while not done or not await self._record.is_settled(1):
            assert time.monotonic() < deadline, f"{what} was not done in time"
            self._watchman.look()
            done = done or await self._asked(said)
            await asyncio.sleep(_LOOK_S)

    async def close(self) -> None:
        """Leave."""
        await self._http.aclose()

    async def _asked(self, said: dict[str, Any]) -> bool:
        try:
            return (await self._http.post("/act", json=said)).is_success
        except httpx.TransportError:
            return False


async def _hire(url: str) -> None:
    database = Database(url)
    person = NewPerson(LOGIN, "Mei", Role.AGENT, password_hash="none")
    await SqlPeople(database).add(person, SystemClock().now())
    database.close()


async def _ask_for_a_human(platform: OnTelegram, watchman: Watchman, record: Record) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    taken = False
    while not taken or not await record.is_settled(1):
        assert time.monotonic() < deadline, "the shopper was not answered in time"
        watchman.look()
        taken = taken or await platform.deliver("转人工")
        await asyncio.sleep(_LOOK_S)


async def _check(record: Record, screen: list[str]) -> None:
    """Each change of owner once with its epoch, each word once, in order, on the record and on the phone."""
    changes = [(each["before"], each["after"], each["epoch"]) for each in await record.events(OwnerChanged.kind)]
    assert changes == CHANGES
    assert [each["text"] for each in await record.events(AgentUttered.kind)] == [text for _, text in ACTS if text]
    told = [each["reply_key"] for each in await record.events(NoticeSent.kind)]
    joined, left, over = "notice.agent_joined", "notice.given_back", "notice.resolved"
    assert told == [joined, left, joined, over]
    assert [row["ended_at"] is not None for row in await record.rows(ASSIGNMENTS)] == [True, True]
    outbox = await record.rows(OUTBOX)
    assert {row["state"] for row in outbox} <= {"sent", "unclear"}
    assert len({row["event_seq"] for row in outbox}) == len(outbox)
    words = [row["message"]["text"] for row in outbox]
    sent = [row["message"]["text"] for row in outbox if row["state"] == "sent"]
    # What is unclear may have arrived or not; nothing arrived twice or out of order.
    rest = iter(words)
    assert all(text in rest for text in screen), (screen, words)
    rest = iter(screen)
    assert all(text in rest for text in sent), (screen, sent)


async def _play(place: Place, server: TelegramServer, armings: list[Arming], url: str) -> int:
    server.sent.clear()
    await _hire(url)
    watchman, record = Watchman(place, armings), Record(url)
    platform = OnTelegram(server, place.port)
    desk = AtTheDesk(place.port, watchman, record)
    try:
        await _ask_for_a_human(platform, watchman, record)
        for number, (what, text) in enumerate(ACTS):
            await desk.act(what, text, number)
        await _check(record, await platform.screen())
    finally:
        await desk.close()
        await platform.close()
        watchman.stop()
        record.close()
    return watchman.killed


@pytest.mark.parametrize("boundary", list(DeskBoundary))
async def test_killed_at_an_agents_act_it_counts_once(
    boundary: StrEnum, database_url: str, telegram: tuple[TelegramServer, str]
):
    """Take, reply, give back, take, reply, resolve: killed at each of them, before its commit or after."""
    server, address = telegram
    place = Place(database_url, free_port(), address)
    armings = [Arming(boundary, crossing) for crossing in EACH_ACT]
    assert await _play(place, server, armings, database_url) == len(EACH_ACT)


@pytest.mark.parametrize(
    "boundary",
    [
        Boundary.AFTER_SENDING_COMMIT,
        Boundary.AFTER_SEND,
        Boundary.AFTER_MARK_COMMIT,
    ],
)
async def test_killed_while_an_agents_words_go_out_they_arrive_at_most_once(
    boundary: StrEnum, database_url: str, telegram: tuple[TelegramServer, str]
):
    """Killed at one message after the other: the bot's promise, the notice, the agent's words."""
    server, address = telegram
    place = Place(database_url, free_port(), address)
    armings = [Arming(boundary, 1)] * KILLS
    assert await _play(place, server, list(armings), database_url) == KILLS
