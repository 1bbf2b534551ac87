"""A worker in a process of its own, which the tests kill; started by fork, so that it is quick."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from multiprocessing.context import ForkServerContext
from multiprocessing.synchronize import Event

from bot.app import open_worker
from bot.config import Config, Secrets, parse
from bot.domain.clock import SystemClock
from bot.domain.understanding import Expectation, Recognition
from tests.unit.engine.fakes import understood

SECRETS = Secrets(secret_key="a key for tests, long enough to sign with")


class GreetingRecogniser:
    """Takes everything for a greeting."""

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Understand."""
        del text, expectation
        return understood("greet")


def configure(database_url: str, redis_url: str) -> Config:
    """Configure a house of several processes that answers at once and sweeps often."""
    shop = {
        "database": {"url": database_url},
        "redis": {"url": redis_url},
        "turns": {"quiet_time_s": 0},
        "worker": {"sweep_s": 1.0},
    }
    return parse({"xiaoer": shop}, "scaled")


def run(ready: Event, database_url: str, redis_url: str) -> None:
    """Work until killed or told to stop; ``ready`` is set once at work."""
    asyncio.run(_work(ready, configure(database_url, redis_url)))


async def _work(ready: Event, config: Config) -> None:
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    async with open_worker(config, SECRETS, SystemClock(), GreetingRecogniser()):
        ready.set()
        await stopped.wait()


def nursery() -> ForkServerContext:
    """Give the context that forks children with everything imported already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "tests.durability.warm"])
    return context
