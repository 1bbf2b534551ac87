"""Platforms deliver again and out of order: each message is in the record once, and in the platform's order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from sqlalchemy import select

from bot.domain.events import BotUttered, CustomerUttered
from bot.domain.ids import ConversationId
from bot.domain.messages import InboundMessage
from bot.engine.dispatcher import Pace
from storage.tables import EVENTS, INBOX
from tests.durability.numbered import READERS, delivered
from tests.durability.workshop import FaultyPlatform, Workshop, open_workshop, written

Write = Callable[[int, int], InboundMessage]
PEOPLE = 12
BURSTS = 2
BURST = 5
AT_ONCE = 20
# Nobody is answered before the storm says that a burst is over, however slow the machine is. No look for lost bells,
# which may have begun before that, rings for an hour of quiet after it.
PACE = Pace(quiet_s=3600.0, longest_wait_s=3600.0, sweep_s=3600.0)


def _numbered(person: int, number: int) -> InboundMessage:
    return written(f"person-{person}", number, "你好")


async def _storm(workshop: Workshop, burst: int, chance: Random, write: Write = _numbered) -> None:
    """Deliver everybody's burst, each message 1 to 5 times, shuffled, 20 deliveries at once."""
    deliveries: list[InboundMessage] = []
    for person in range(PEOPLE):
        for number in range(burst * BURST + 1, (burst + 1) * BURST + 1):
            deliveries += [write(person, number)] * chance.randint(1, 5)
    chance.shuffle(deliveries)
    room = asyncio.Semaphore(AT_ONCE)

    async def deliver(message: InboundMessage) -> ConversationId:
        async with room:
            (accepted,) = await workshop.accept([message])
        return accepted.conversation_id

    for conversation_id in set(await asyncio.gather(*(deliver(message) for message in deliveries))):
        await workshop.dispatcher.ring(conversation_id, 0)
    await workshop.dispatcher.settle()


async def test_storm_of_redeliveries_is_recorded_once_and_in_order(database_url: str, tmp_path: Path):
    """A shuffled burst is one turn with one answer, its words in the platform's order."""
    await _check_storms(database_url, tmp_path, _numbered)


@pytest.mark.parametrize("platform", list(READERS))
async def test_storm_of_a_platforms_own_webhooks_is_read_in_its_order(sqlite_url: str, tmp_path: Path, platform: str):
    """By the numbers of Telegram's updates, by the times of the others, as their bodies carry them."""
    await _check_storms(sqlite_url, tmp_path, lambda person, number: delivered(platform, person, number, "你好"))


async def _check_storms(url: str, tmp_path: Path, write: Write) -> None:
    platform = FaultyPlatform(tmp_path / "screen")
    async with open_workshop(url, platform, PACE) as workshop:
        for burst in range(BURSTS):
            await _storm(workshop, burst, Random(burst), write)  # noqa: S311 - repeatable
        database = workshop.stores.database
        rows = await database.read(
            lambda on: on.execute(
                select(EVENTS.c.conversation_id, EVENTS.c.kind, EVENTS.c.data).order_by(EVENTS.c.seq)
            ).all()
        )
        inbox = await database.read(lambda on: on.execute(select(INBOX.c.dedupe_key)).scalars().all())
    assert len(inbox) == len(set(inbox)) == PEOPLE * BURSTS * BURST
    conversations = {row[0] for row in rows}
    assert len(conversations) == PEOPLE
    for conversation in conversations:
        own = [(kind, data) for each, kind, data in rows if each == conversation]
        said = [int(data["text"].partition("#")[2]) for kind, data in own if kind == CustomerUttered.kind]
        assert said == list(range(1, BURSTS * BURST + 1))
        assert sum(kind == BotUttered.kind for kind, _ in own) == BURSTS
    assert len(platform.arrived()) == PEOPLE * BURSTS
