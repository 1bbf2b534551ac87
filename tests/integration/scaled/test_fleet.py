"""A web process, two workers, PostgreSQL and Redis; each of them is killed in the middle of the talk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from bot.app import House, open_house
from bot.domain.clock import SystemClock
from tests.conftest import told_when_missing
from tests.integration.scaled.fleet import Fleet, answered_at_once, check_record, deliver, settled, talk
from tests.integration.scaled.worker import SECRETS

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.xdist_group("scaled")]
SHOPPERS, MESSAGES, PAUSE_S = 30, 5, 0.4


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Give a running fleet."""
    with told_when_missing():
        fleet = Fleet()
        fleet.start()
    yield fleet
    fleet.close()


@asynccontextmanager
async def open_web(fleet: Fleet) -> AsyncIterator[House]:
    """Open the web process's house here."""
    async with open_house(fleet.config, SECRETS, SystemClock()) as house:
        yield house


async def finish(house: House, talking: asyncio.Task[None]) -> None:
    """Wait until the talk is over and answered, then check the record."""
    await talking
    await settled(house.stores.database, SHOPPERS * MESSAGES)
    await check_record(house.stores.database, SHOPPERS, MESSAGES)


async def test_bell_is_answered_at_once(fleet: Fleet):
    """A message is answered by a worker well before any sweep could have found it."""
    async with open_web(fleet) as house:
        await deliver(house, 0, 0)
        await settled(house.stores.database, 1)
        await house.intake.accept([])
        await answered_at_once(house, 1)


async def test_nothing_is_lost_when_redis_is_killed_and_forgets(fleet: Fleet):
    """Redis dies, loses its data, and comes back: meanwhile the sweep answers."""
    async with open_web(fleet) as house:
        talking = asyncio.create_task(talk(house, SHOPPERS, MESSAGES, PAUSE_S))
        await asyncio.sleep(PAUSE_S)
        fleet.redis.kill()
        fleet.redis.forget()
        await asyncio.sleep(3 * PAUSE_S)
        fleet.redis.start()
        await finish(house, talking)


async def test_nothing_is_lost_when_postgresql_is_killed(fleet: Fleet):
    """PostgreSQL dies under both workers and the web process; what was not taken comes again from the platform."""
    async with open_web(fleet) as house:
        talking = asyncio.create_task(talk(house, SHOPPERS, MESSAGES, PAUSE_S))
        await asyncio.sleep(PAUSE_S)
        await asyncio.to_thread(fleet.postgresql.kill)
        await asyncio.sleep(PAUSE_S)
        await asyncio.to_thread(fleet.postgresql.start)
        await finish(house, talking)


async def test_nothing_is_lost_when_a_worker_is_killed(fleet: Fleet):
    """One of two workers dies twice; the other takes over what it had in hand."""
    async with open_web(fleet) as house:
        talking = asyncio.create_task(talk(house, SHOPPERS, MESSAGES, PAUSE_S))
        for _ in range(2):
            await asyncio.sleep(PAUSE_S)
            await asyncio.to_thread(fleet.kill_worker)
            fleet.start_worker()
        await finish(house, talking)


async def test_line_goes_on_with_no_redis_at_all(fleet: Fleet):
    """Without any bell the sweep alone answers everybody, later but once."""
    fleet.redis.kill()
    async with open_web(fleet) as house:
        talking = asyncio.create_task(talk(house, SHOPPERS, 2, PAUSE_S))
        await talking
        await settled(house.stores.database, SHOPPERS * 2)
        await check_record(house.stores.database, SHOPPERS, 2)
