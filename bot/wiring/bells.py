"""The bell of a web process whose work is done by workers."""

from __future__ import annotations

from bot.config import Config
from bot.domain.ports import Dispatcher
from bot.wiring.shared import OverRedis


async def open_bell(config: Config, redis: OverRedis) -> Dispatcher:
    """Open the bell of a process that only rings."""
    from storage.redis.bell import RedisBell  # noqa: PLC0415 - only where Redis is used

    await redis.broker.startup()
    return RedisBell(redis.broker, redis.bursts, config.turns.quiet_time_s)
