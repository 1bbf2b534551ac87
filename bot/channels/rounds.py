"""What a channel does over and over in the background, whatever happens to one time of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

import structlog

_LOG = structlog.get_logger(__name__)


async def go_round(name: str, job: Callable[[], Awaitable[object]], every_s: float, after_fault_s: float) -> NoReturn:
    """Do ``job`` every ``every_s`` seconds, ``after_fault_s`` after a fault, until cancelled."""
    while True:
        try:
            await job()
        except Exception as problem:  # noqa: BLE001 - one fault must not end what runs for weeks; it is on record
            _LOG.warning("round_failed", name=name, error=type(problem).__name__)
            await asyncio.sleep(after_fault_s)
        else:
            await asyncio.sleep(every_s)
