"""Workers and web processes start while PostgreSQL or Redis is away: they wait for the one and do without the other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bot.app import open_house
from bot.domain.clock import SystemClock
from storage.schema import migrate
from tests.conftest import told_when_missing
from tests.integration.scaled.fleet import Fleet, answered_at_once, check_record, deliver, settled
from tests.integration.scaled.worker import SECRETS

pytestmark = [pytest.mark.redis, pytest.mark.postgresql, pytest.mark.xdist_group("scaled")]


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Give a fleet with a migrated database, of which nothing runs but PostgreSQL."""
    with told_when_missing():
        fleet = Fleet()
        fleet.postgresql.start()
    fleet.url = fleet.postgresql.create("scaled")
    migrate(fleet.url)
    yield fleet
    fleet.close()


async def test_processes_started_while_postgresql_is_away_wait_for_it(fleet: Fleet):
    """Two workers and a web process start before their database does, and all of them work then."""
    fleet.redis.start()
    fleet.postgresql.kill()
    for _ in range(2):
        fleet.start_worker()
    opening = open_house(fleet.config, SECRETS, SystemClock())
    web = asyncio.create_task(opening.__aenter__())
    await asyncio.sleep(2.0)
    assert all(worker.is_alive() for worker in fleet.workers)
    assert not web.done()
    await asyncio.to_thread(fleet.postgresql.start)
    house = await web
    try:
        for shopper in range(5):
            await deliver(house, shopper, 0)
        await settled(house.stores.database, 5)
        await check_record(house.stores.database, 5, 1)
    finally:
        await opening.__aexit__(None, None, None)
    assert all(worker.is_alive() for worker in fleet.workers)


async def test_processes_started_while_redis_is_away_work_and_hear_bells_once_it_is_back(fleet: Fleet):
    """Without it the sweep answers; when it comes every process finds it by itself, and bells are answered at once."""
    fleet.start_worker()
    async with open_house(fleet.config, SECRETS, SystemClock()) as house:
        await deliver(house, 0, 0)
        await settled(house.stores.database, 1)
        await asyncio.to_thread(fleet.redis.start)
        told = await answered_at_once(house, 1)
        await check_record(house.stores.database, 1, told)
    assert all(worker.is_alive() for worker in fleet.workers)
