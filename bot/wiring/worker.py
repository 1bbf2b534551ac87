"""A worker: answers bells, drains conversations, and sweeps for bells that were lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from bot.config import Config, Secrets
from bot.domain.clock import Clock
from bot.domain.errors import ConfigError
from bot.domain.ports import Recogniser
from bot.engine.boundaries import Watch
from bot.engine.dispatcher import EmbeddedDispatcher, Pace
from bot.wiring.house import Opened, make_engine, open_knowing, open_parts
from bot.wiring.knowing import Understanding
from bot.wiring.media import collecting
from bot.wiring.preparation import database_url
from bot.wiring.rehearsal import EngineRehearsal, rehearsing
from bot.wiring.shared import OverRedis
from bot.wiring.timers import due_units, make_timers
from storage.locks import PostgresqlLocks
from storage.sweep import SqlSweep

_RUNG_AGAIN_AFTER_S = 2.0
_SWEEP_EVERY_S = 2


@dataclass(frozen=True, slots=True)
class Worker:
    """A running worker."""

    opened: Opened
    dispatcher: EmbeddedDispatcher
    understanding: Understanding


@asynccontextmanager
async def open_worker(
    config: Config,
    secrets: Secrets,
    clock: Clock,
    recogniser: Recogniser | None = None,
    watch: Watch | None = None,
) -> AsyncIterator[Worker]:
    """Open a worker; at the end it finishes what is in hand. ConfigError when ``redis.url`` is not set."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(open_parts(config, secrets, clock, watch, hears=False))
        redis = opened.shared.redis
        if redis is None:
            raise ConfigError(
                "xiaoer.redis.url is not set, so `xiaoer serve` does all the work itself; "
                "set it (and a PostgreSQL database.url) to have workers"
            )
        understanding = await stack.enter_async_context(open_knowing(opened, recogniser))
        locks = PostgresqlLocks(database_url(config, secrets), clock)
        stack.push_async_callback(locks.close)
        dispatcher = _make_dispatcher(opened, understanding, locks)
        units = due_units(opened.stores.database, watch)
        dispatcher.timers = make_timers(config, units, clock, opened.renderer, opened.shared.live)
        await dispatcher.start()
        stack.push_async_callback(dispatcher.stop)
        await _answer_bells(opened, redis, dispatcher, (locks, stack))
        await stack.enter_async_context(rehearsing(config, redis, EngineRehearsal(understanding)))
        await stack.enter_async_context(
            collecting(config, opened.stores.database, clock, opened.channels, opened.shared.live)
        )
        yield Worker(opened, dispatcher, understanding)


def _make_dispatcher(opened: Opened, understanding: Understanding, locks: PostgresqlLocks) -> EmbeddedDispatcher:
    worker = opened.config.worker
    engine = make_engine(opened, understanding)
    # Its own sweep is what keeps the line going while Redis is away.
    sweep = SqlSweep(opened.stores.database, opened.clock, worker.sweep_s)
    pace = Pace(quiet_s=0, sweep_s=worker.sweep_s, at_once=worker.at_once)
    return EmbeddedDispatcher(sweep, engine.turns, engine.delivery, pace, locks)


async def _answer_bells(
    opened: Opened, redis: OverRedis, dispatcher: EmbeddedDispatcher, rest: tuple[PostgresqlLocks, AsyncExitStack]
) -> None:
    from storage.redis.bell import BellListener, Job, Leader, RedisBell  # noqa: PLC0415 - only where Redis is used

    locks, stack = rest
    bell = RedisBell(redis.broker, redis.bursts, 0.0)
    missed = SqlSweep(opened.stores.database, opened.clock, _RUNG_AGAIN_AFTER_S)

    async def ring_again() -> None:
        for conversation_id in await missed.pending_conversations():
            await bell.ring(conversation_id)

    jobs = (Job("sweep", _SWEEP_EVERY_S, ring_again),)
    listener = BellListener(redis.broker, dispatcher.drain, redis.bursts, Leader(locks.lead), jobs)
    await listener.start()
    stack.push_async_callback(listener.stop)
