"""Asking a platform again and again for what it has to tell, by one of several processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import structlog

from bot.channels._api import Lost, Unreached
from bot.domain.errors import BadPayload, XiaoerError

LEAD_LOOK_S = 2.0
AGAIN_S = 5.0
_LOG = structlog.get_logger(__name__)

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Polled:
    """What is asked.

    ``ask`` waits for entries from a position on and gives the position behind them; ``take`` commits one. ``leads``
    tells whether this process is the one of several that asks.
    """

    channel: str
    ask: Callable[[int], Awaitable[tuple[Sequence[Entry], int]]]
    take: Callable[[Entry], Awaitable[None]]
    leads: Callable[[], Awaitable[bool]]


@asynccontextmanager
async def keep_asking(polled: Polled) -> AsyncIterator[None]:
    """Ask as long as this process leads, until left; nothing is confirmed before it is committed."""
    task = asyncio.create_task(_keep_asking(polled), name=f"ask-{polled.channel}")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep_asking(polled: Polled) -> None:
    position = 0
    while True:
        try:
            if await polled.leads():
                position = await ask_once(polled, position)
            else:
                # Who takes the place over begins with what is not confirmed.
                position = 0
                await asyncio.sleep(LEAD_LOOK_S)
        except Exception as problem:  # noqa: BLE001 - whatever it is, what comes later must still be heard
            reason = str(problem) if isinstance(problem, Unreached | Lost | XiaoerError) else type(problem).__name__
            _LOG.warning("channel_not_asked", channel=polled.channel, reason=reason, again_in_s=AGAIN_S)
            await asyncio.sleep(AGAIN_S)


async def ask_once(polled: Polled, position: int) -> int:
    """Ask, take what comes, and give the next position; an entry that cannot be read is passed over."""
    entries, after = await polled.ask(position)
    for entry in entries:
        try:
            await polled.take(entry)
        except BadPayload as problem:
            _LOG.warning("entry_not_read", channel=polled.channel, reason=str(problem))
    return after
