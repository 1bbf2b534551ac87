"""A worker whose one channel is a platform of faults; what arrives is a file that all workers write to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from bot.wiring import worker
from bot.wiring.house import Engine, Opened
from tests.durability.script import ScriptedRecogniser
from tests.durability.workshop import CHANNEL, QUICK_RETRIES, Faults, FaultyPlatform
from tests.integration.scaled import worker as usual

FAULTS = Faults(busy=0.05, broken=0.03, lost=0.01, longest_delay_s=0.005)


def run(ready: Event, database_url: str, redis_url: str, screen: str) -> None:
    """Work until told to stop; ``ready`` is set once at work."""
    platform = FaultyPlatform(Path(screen), FAULTS)
    open_parts, make_engine = worker.open_parts, worker.make_engine

    @asynccontextmanager
    async def with_platform(*given: Any, **named: Any) -> AsyncIterator[Opened]:
        async with open_parts(*given, **named) as opened:
            yield replace(opened, line=replace(opened.line, channels={CHANNEL: platform}))

    def impatient(*given: Any) -> Engine:
        engine = make_engine(*given)
        engine.delivery.back_off = QUICK_RETRIES
        return engine

    worker.open_parts = with_platform
    worker.make_engine = impatient
    usual.GreetingRecogniser = ScriptedRecogniser  # type: ignore[misc,assignment]
    asyncio.run(usual._work(ready, usual.configure(database_url, redis_url)))
