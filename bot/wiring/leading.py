"""The one process of several that does a job; without Redis there is only one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from bot.config import Config, Secrets
from bot.domain.clock import Clock
from bot.domain.errors import StorageError
from bot.wiring.preparation import database_url
from bot.wiring.shared import redis_url
from storage.locks import PostgresqlLocks

Leads = Callable[[], Awaitable[bool]]


@asynccontextmanager
async def leading(config: Config, secrets: Secrets, clock: Clock, job: str) -> AsyncIterator[Leads]:
    """Give what tells whether this process is the one that does ``job``; the place is free again at the end."""
    if not redis_url(config, secrets):
        yield _always
        return
    locks = PostgresqlLocks(database_url(config, secrets), clock)

    async def leads() -> bool:
        try:
            return await locks.lead(job)
        except StorageError:
            # While the database is away nobody leads: what would be pulled could not be kept.
            return False

    try:
        yield leads
    finally:
        await locks.close()


async def _always() -> bool:
    return True
