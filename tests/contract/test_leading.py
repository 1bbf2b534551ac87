"""One process of several leads: never two at once, and the place is taken over when the leader goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import create_engine, text

from bot.domain.clock import SystemClock
from bot.domain.errors import StorageError
from storage.locks import PostgresqlLocks

pytestmark = pytest.mark.postgresql
JOB = "wecom_kf"


@pytest.fixture
async def processes(postgresql_url: str) -> AsyncIterator[tuple[PostgresqlLocks, PostgresqlLocks]]:
    """Give the locks of two processes."""
    both = PostgresqlLocks(postgresql_url, SystemClock()), PostgresqlLocks(postgresql_url, SystemClock())
    yield both
    for each in both:
        await each.close()


async def test_leader_stays_the_leader_until_he_goes(processes: tuple[PostgresqlLocks, PostgresqlLocks]):
    """Asked again he still leads, the other does not; another job is another place."""
    first, second = processes
    assert [await first.lead(JOB), await second.lead(JOB), await first.lead(JOB)] == [True, False, True]
    assert await second.lead("another")
    assert not await first.lead("another")
    await first._run(first._drop)
    async with asyncio.timeout(60):
        while not await second.lead(JOB):  # noqa: ASYNC110 - the server tells nobody when it has seen him go
            await asyncio.sleep(0.01)
    assert not await first.lead(JOB)


async def test_leader_whose_connection_breaks_is_told_and_another_takes_over(
    processes: tuple[PostgresqlLocks, PostgresqlLocks], postgresql_url: str
):
    """The server ends his session: at the next question he learns it, and by then somebody else may lead."""
    first, second = processes
    assert await first.lead(JOB)
    engine = create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    with engine.connect() as on:
        here = on.execute(text("SELECT oid FROM pg_database WHERE datname = current_database()")).scalar_one()
        # With a time it also waits for their end, which comes a moment after the word.
        end = "SELECT pg_terminate_backend(pid, 60000) FROM pg_locks"
        held = text(f"{end} WHERE locktype = 'advisory' AND database = :here")
        on.execute(held, {"here": here})
    engine.dispose()
    assert await second.lead(JOB)
    with pytest.raises(StorageError):
        await first.lead(JOB)
    assert not await first.lead(JOB)
    assert await second.lead(JOB)
