"""A crowd writes to the house while the platform misbehaves; afterwards everything is counted.

``drive`` needs only a way to hand messages in and ``check`` only the database and the platform's screen, so that the
same soak runs on any dispatcher.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from sqlalchemy import func, select

from bot.domain.events import BotUttered, CustomerUttered
from bot.domain.messages import InboundMessage
from storage.database import Database
from storage.tables import CONVERSATIONS, EVENTS, IDENTITIES, INBOX, OUTBOX
from tests.durability.script import SAID
from tests.durability.workshop import FaultyPlatform, written

Accept = Callable[[Sequence[InboundMessage]], Awaitable[Any]]
_TEXTS = tuple(text for text in SAID if text != "转人工")
_LOOK_S = 0.1


@dataclass(frozen=True)
class Size:
    """How many people write how many messages each; ``at_once`` people side by side."""

    people: int
    each: int
    at_once: int = 50


@dataclass
class Report:
    """What was counted."""

    messages: int
    conversations: int
    replies: int
    deliveries: int
    unclear: int
    retried: int
    lost: int
    doubled: int
    disordered: int
    seconds: float

    def __str__(self) -> str:
        """Show it as lines to print."""
        rate = self.messages / self.seconds
        return (
            f"soak: {self.messages} messages in {self.conversations} conversations, {self.replies} replies, "
            f"{self.deliveries} delivered, {self.retried} retried, {self.unclear} unclear (flagged, not repeated)\n"
            f"soak: {self.lost} lost, {self.doubled} doubled, {self.disordered} out of order; "
            f"{self.seconds:.1f} s, {rate:.0f} messages/s"
        )


async def drive(accept: Accept, size: Size, chance: Random) -> None:
    """Let everybody write; one message in ten is delivered twice."""
    room = asyncio.Semaphore(size.at_once)

    async def write(person: str) -> None:
        async with room:
            for number in range(1, size.each + 1):
                message = written(person, number, chance.choice(_TEXTS))
                await accept([message])
                if chance.random() < 0.1:
                    await accept([message])
                await asyncio.sleep(chance.random() * 0.02)

    await asyncio.gather(*(write(f"person-{number}") for number in range(size.people)))


async def settled(database: Database, patience_s: float) -> None:
    """Wait until nothing is left to do; AssertionError tells what is left after ``patience_s``."""
    deadline = time.monotonic() + patience_s
    left = [select(func.count()).select_from(table).where(table.c.done_at.is_(None)) for table in (INBOX, OUTBOX)]
    while True:
        counts = await database.read(lambda on: [on.execute(each).scalar_one() for each in left])
        if not any(counts):
            return
        assert time.monotonic() < deadline, f"left after {patience_s:.0f} s: {counts[0]} messages, {counts[1]} replies"
        await asyncio.sleep(_LOOK_S)


async def check(database: Database, platform: FaultyPlatform, size: Size, seconds: float) -> Report:
    """Count what became of everything."""
    people = select(CONVERSATIONS.c.id, IDENTITIES.c.channel_user_id).join(
        IDENTITIES, IDENTITIES.c.id == CONVERSATIONS.c.identity_id
    )
    events = select(EVENTS.c.conversation_id, EVENTS.c.kind, EVENTS.c.data).order_by(EVENTS.c.seq)
    outbox = select(OUTBOX.c.id, OUTBOX.c.state, OUTBOX.c.tries)
    names, facts, rows = await database.read(lambda on: [on.execute(each).all() for each in (people, events, outbox)])
    heard: dict[str, list[str]] = defaultdict(list)
    person_of = {conversation: person for conversation, person in names}  # noqa: C416 - rows are not pairs to mypy
    replies = 0
    for conversation, kind, data in facts:
        if kind == CustomerUttered.kind:
            heard[person_of[conversation]].append(data["dedupe_key"])
        replies += kind == BotUttered.kind
    arrived = platform.arrived()
    wanted = {
        f"person-{number}": [f"person-{number}:{each}" for each in range(1, size.each + 1)]
        for number in range(size.people)
    }
    return Report(
        messages=size.people * size.each,
        conversations=len(names),
        replies=replies,
        deliveries=len(arrived),
        unclear=sum(state == "unclear" for _, state, _ in rows),
        retried=sum(tries > 1 for _, _, tries in rows),
        lost=_lost(wanted, heard) + len({row[0] for row in rows} - {each["outbox"] for each in arrived}),
        doubled=_doubled(list(heard.values())) + _doubled([[str(each["outbox"]) for each in arrived]]),
        disordered=sum(heard[person] != keys for person, keys in wanted.items()) + _disordered(arrived),
        seconds=seconds,
    )


def _lost(wanted: dict[str, list[str]], heard: dict[str, list[str]]) -> int:
    return sum(len(set(keys) - set(heard[person])) for person, keys in wanted.items())


def _doubled(lists: list[list[str]]) -> int:
    return sum(len(keys) - len(set(keys)) for keys in lists)


def _disordered(arrived: list[dict[str, Any]]) -> int:
    newest: dict[str, int] = defaultdict(int)
    wrong = 0
    for each in arrived:
        wrong += each["outbox"] < newest[each["to"]]
        newest[each["to"]] = max(newest[each["to"]], each["outbox"])
    return wrong
