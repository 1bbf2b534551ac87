"""A long soak on two workers over PostgreSQL and Redis: 0 lost, 0 doubled, order kept; the report is printed.

The usual run writes 600 messages; ``XIAOER_SOAK=full`` (``make soak``) writes 20,000 over 2,000 conversations. Redis is
away for a while in the middle: a few seconds, or a minute in the full run.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

import pytest

from bot.app import open_house
from bot.domain.clock import SystemClock
from bot.domain.messages import InboundMessage
from tests.conftest import told_when_missing
from tests.durability.soaking import Size, check, drive, settled
from tests.durability.workshop import FaultyPlatform
from tests.integration.scaled import soak_worker
from tests.integration.scaled.fleet import Fleet
from tests.integration.scaled.worker import SECRETS

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.xdist_group("scaled")]
IS_FULL = os.environ.get("XIAOER_SOAK") == "full"
SIZE = Size(people=2000, each=10) if IS_FULL else Size(people=60, each=10, at_once=20)
AWAY_S = 60.0 if IS_FULL else 3.0


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """Give a running fleet whose workers send to the platform of faults."""
    with told_when_missing():
        fleet = Fleet(work=soak_worker.run, more=(str(tmp_path / "screen"),))
        fleet.start()
    yield fleet
    fleet.close()


@pytest.mark.timeout(2400)
async def test_soak_on_two_workers_loses_and_doubles_nothing(
    fleet: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Delays, errors, 429s, repeated deliveries, and no Redis for a while: all is there once, in order."""
    platform = FaultyPlatform(tmp_path / "screen")
    began = time.monotonic()
    async with open_house(fleet.config, SECRETS, SystemClock()) as house:
        chance = Random(3)  # noqa: S311 - repeatable

        async def accept(messages: Sequence[InboundMessage]) -> None:
            await house.intake.accept(messages)
            # People who write as fast as they can would be answered by one turn each.
            await asyncio.sleep(chance.random() * 0.6)

        driving = asyncio.create_task(drive(accept, SIZE, chance))
        await asyncio.sleep(2)
        fleet.redis.kill()
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(fleet.redis.start)
        await driving
        await settled(house.stores.database, patience_s=600)
        report = await check(house.stores.database, platform, SIZE, time.monotonic() - began)
    with capsys.disabled():
        print(f"\ntwo workers, {report}")  # noqa: T201 - the report of the soak
    assert (report.lost, report.doubled, report.disordered) == (0, 0, 0)
    assert report.conversations == SIZE.people
    assert report.retried
    assert report.unclear
