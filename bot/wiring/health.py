"""The probes and numbers of a process."""

from __future__ import annotations

from dataclasses import replace

from fastapi import FastAPI
from sqlalchemy import text

from bot.domain.clock import Clock
from bot.health.numbers import Numbers
from bot.health.routes import Health, build_router
from bot.wiring.house import House
from bot.wiring.knowing import Understanding
from bot.wiring.shared import Shared
from bot.wiring.stores import Stores
from bot.wiring.worker import Worker
from storage.database import Database
from storage.line_gauge import SqlLineGauge


def make_health(opened: House) -> Health:
    """Make what the probes of a web process look at."""
    health = _health((opened.stores, opened.shared), opened.numbers, opened.clock, opened.secrets.metrics_token)
    return _understanding(health, opened.understanding)


def make_worker_application(worker: Worker) -> FastAPI:
    """Make the ASGI application that tells a worker's health and numbers."""
    opened = worker.opened
    application = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    health = _health((opened.stores, opened.shared), opened.numbers, opened.clock, opened.secrets.metrics_token)
    application.include_router(build_router(_understanding(health, worker.understanding)))
    return application


def _health(parts: tuple[Stores, Shared], numbers: Numbers, clock: Clock, token: str) -> Health:
    stores, shared = parts
    return Health(
        numbers=numbers,
        gauge=SqlLineGauge(stores.database),
        clock=clock,
        needed={"database": lambda: _answers(stores.database)},
        # The line goes on without Redis, only slower.
        wanted={} if shared.redis is None else {"redis": shared.redis.answers},
        metrics_token=token,
    )


def _understanding(health: Health, understanding: Understanding | None) -> Health:
    if understanding is None or not understanding.engine:
        return health
    return replace(health, told={"understanding": understanding.told})


async def _answers(database: Database) -> bool:
    return await database.read(lambda connection: connection.execute(text("SELECT 1")).scalar_one() == 1)
