"""The house is killed around everything that is due, one after the other, on both databases: each is done once."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import pytest

from bot.domain import events as ev
from bot.engine.boundaries import Boundary
from bot.engine.due_boundaries import DueBoundary
from bot.simulators.telegram.server import TelegramServer
from storage.database import Database
from storage.tables import (
    ASSIGNMENTS,
    CONVERSATIONS,
    EVENTS,
    FACTS,
    IDENTITIES,
    LINKS,
    LOOKS,
    OUTBOX,
    SURVEYS,
    TICKET_NOTES,
)
from tests.contract.line import Line
from tests.durability.child import Arming, Place
from tests.durability.due_shop import ANOTHER_CHAT, DUE_COMMITS, DueShop
from tests.durability.platforms import CHAT, served_telegram
from tests.durability.test_kill import Record, Watchman
from tests.ports import free_port

_PATIENCE_S = 120.0
_LOOK_S = 0.02
_NOON = 12
KILLS = 2
_SURVEY = "rate_service.ask_afterwards"


@pytest.fixture(scope="module")
def telegram() -> Iterator[tuple[TelegramServer, str]]:
    """Serve one Telegram for all tests."""
    with served_telegram() as served:
        yield served


def midday() -> str:
    """Name a time zone in which it is about noon, so that the shop has been open for hours and stays so."""
    ahead = _NOON - datetime.now(UTC).hour
    return f"Etc/GMT{'-' if ahead >= 0 else '+'}{abs(ahead)}"


async def _settled(record: Record, looked_before: datetime) -> bool:
    """Tell whether the last commit of a look is there and nothing is left to deliver."""
    (look,) = await record.rows(LOOKS)
    left = [row for row in await record.rows(OUTBOX) if row["done_at"] is None]
    return not left and look["until"] > looked_before


async def _check_promises(record: Record) -> None:
    """Each promise announced once, each conversation brought back or handed on once, each fact settled."""
    rows = [row for row in await record.rows(EVENTS) if row["kind"] == ev.PriorityRaised.kind]
    raised = Counter((row["conversation_id"], row["data"]["reason"], row["data"]["number"]) for row in rows)
    assert set(raised.values()) == {1}
    reasons = Counter((reason, bool(number)) for _, reason, number in raised)
    assert reasons == {("overdue", True): 1, ("overdue", False): 1, ("window_closing", False): 1}
    assert sum("raised" in note["change"] for note in await record.rows(TICKET_NOTES)) == 1
    assert [each["reason"] for each in await record.events(ev.SnoozeEnded.kind)] == ["time"]
    changes = Counter(each["after"] for each in await record.events(ev.OwnerChanged.kind))
    # Put aside, abandoned, served; then what was abandoned waits as the first does.
    assert changes == {"with_agent": 3, "waiting_for_agent": 2, "resolved": 1}
    assert sum(row["ended_at"] is not None for row in await record.rows(ASSIGNMENTS)) == 2
    assert len(await record.rows(LINKS)) == 1
    assert all(row["settled_at"] is not None for row in await record.rows(FACTS))


async def _check_surveys(record: Record) -> list[dict[str, Any]]:
    """Each shopper asked once; gives the questions in the outbox."""
    surveys = await record.rows(SURVEYS)
    assert sorted((row["served_by"], row["outcome"]) for row in surveys) == [("agent", "asked"), ("bot", "asked")]
    assert len(await record.events(ev.SurveyAsked.kind)) == 2
    asked = {row["asked_in"] for row in surveys}
    assert len(asked) == 2
    questions = [each for each in await record.events(ev.BotUttered.kind) if each["reply_key"] == _SURVEY]
    assert len(questions) == 2
    # Asking about what an agent ended opened one conversation, and nothing else did.
    assert len(await record.rows(CONVERSATIONS)) == len(await record.rows(IDENTITIES)) + 1
    outbox = [row for row in await record.rows(OUTBOX) if row["message"]["text"] == questions[0]["text"]]
    assert {row["conversation_id"] for row in outbox} == asked
    return outbox


async def _play(place: Place, server: TelegramServer, armings: list[Arming]) -> int:
    """Let everything become due, and the house be killed at it again and again; gives how often it was."""
    server.sent.clear()
    server.chats.update({CHAT: "小林", ANOTHER_CHAT: "小王"})
    database, record = Database(place.database_url), Record(place.database_url)
    shop = DueShop(Line(database))
    await shop.open()
    watchman = Watchman(place, armings)
    watchman.look()
    deadline, killed = time.monotonic() + _PATIENCE_S, 0
    try:
        while armings or not await _settled(record, shop.at):
            assert time.monotonic() < deadline, f"not done in time; killed {watchman.killed} times"
            watchman.look()
            if watchman.killed > killed:
                deadline, killed = time.monotonic() + _PATIENCE_S, watchman.killed
            await asyncio.sleep(_LOOK_S)
        await _check_promises(record)
        questions = await _check_surveys(record)
    finally:
        watchman.stop()
        record.close()
        database.close()
    _check_screen(server, questions)
    return watchman.killed


def _check_screen(server: TelegramServer, questions: list[dict[str, Any]]) -> None:
    """What is sent arrived once; what is unclear arrived once or not at all."""
    text = questions[0]["message"]["text"]
    arrived = Counter(sent.chat_id for sent in server.sent if sent.text == text)
    assert set(arrived.values()) <= {1}
    states = Counter(row["state"] for row in questions)
    assert set(states) <= {"sent", "unclear"}
    assert states["sent"] <= len(arrived) <= len(questions)


@pytest.mark.parametrize(
    ("boundary", "crossings"),
    [
        (DueBoundary.AFTER_DUE_COMMIT, [1] * DUE_COMMITS),
        # Before a commit the tables are as they were after the one before it, but for the first.
        (DueBoundary.BEFORE_DUE_COMMIT, [1, 4, 4, 4]),
    ],
)
async def test_killed_around_due_work_each_thing_is_done_once(
    boundary: StrEnum, crossings: list[int], database_url: str, telegram: tuple[TelegramServer, str]
):
    """Killed after every commit of a look in one process after the other, or before the next."""
    server, address = telegram
    place = Place(database_url, free_port(), address, midday())
    armings = [Arming(boundary, crossing) for crossing in crossings]
    assert await _play(place, server, armings) == len(crossings)


@pytest.mark.parametrize(
    "boundary",
    [Boundary.AFTER_SENDING_COMMIT, Boundary.AFTER_SEND, Boundary.AFTER_MARK_COMMIT],
)
async def test_killed_while_questions_go_out_each_arrives_at_most_once(
    boundary: StrEnum, database_url: str, telegram: tuple[TelegramServer, str]
):
    """Killed twice while the agent's notices and both questions go out, two conversations side by side."""
    server, address = telegram
    place = Place(database_url, free_port(), address, midday())
    assert await _play(place, server, [Arming(boundary, 1)] * KILLS) == KILLS
