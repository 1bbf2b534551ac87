"""SendLimiter over Redis: one row of places an account, whichever worker sends."""

from __future__ import annotations

from redis.asyncio import Redis

from bot.domain.channel_ports import Addressee, SendLimiter, SendPolicy
from bot.domain.clock import Clock
from storage.redis.server import GONE, Availability

_PATIENCE_MS = 60_000
# Times are milliseconds; one second's worth of an account may go at once. A place that was given is kept for the
# conversation until it is used or 60 s late.
_SCRIPT = """
local now, gap, chat_gap, burst, patience = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local place = tonumber(redis.call('GET', KEYS[3]))
if place then redis.call('DEL', KEYS[3]) end
if not place or now - place > patience then
  place = now
  if chat_gap > 0 then
    local free = tonumber(redis.call('GET', KEYS[2])) or now
    place = math.max(place, free - (burst - 1) * chat_gap)
  end
  if gap > 0 then
    local free = math.max(now, tonumber(redis.call('GET', KEYS[1])) or now)
    redis.call('SET', KEYS[1], free + gap, 'PX', math.ceil(free + gap - now) + 1000)
    place = math.max(place, free - math.max(0, 1000 - gap))
  end
end
if place > now then
  redis.call('SET', KEYS[3], place, 'PX', math.ceil(place - now) + patience)
  return math.ceil(place - now)
end
if chat_gap > 0 then
  local free = math.max(now, tonumber(redis.call('GET', KEYS[2])) or now) + chat_gap
  redis.call('SET', KEYS[2], free, 'PX', math.ceil(free - now) + 1000)
end
return 0
"""  # noqa: E501


class RedisSendLimiter:
    """The twin of the port ``SendLimiter`` for several workers; while Redis is away each counts for itself.

    The machines' clocks must agree to within a fraction of a second.
    """

    def __init__(self, client: Redis, alone: SendLimiter, prefix: str, clock: Clock) -> None:
        self._script = client.register_script(_SCRIPT)
        self._alone = alone
        self._prefix = f"{prefix}:send"
        self._clock = clock
        self._availability = Availability()

    async def wait_s(self, channel: str, to: Addressee, policy: SendPolicy) -> float:
        """Give the seconds until this conversation's next message may go (its place is kept); 0: now, and counted."""
        if not policy.per_second and not policy.chat_per_second:
            return 0.0
        if not self._availability.is_away:
            try:
                wait_ms = await self._script(keys=self._keys(channel, to), args=self._arguments(policy))
            except GONE as problem:
                self._availability.failed(problem)
            else:
                self._availability.worked()
                return float(wait_ms) / 1000
        return await self._alone.wait_s(channel, to, policy)

    def _keys(self, channel: str, to: Addressee) -> list[str]:
        chat = to.conversation_id
        return [
            f"{self._prefix}:account:{channel}:{to.account}",
            f"{self._prefix}:chat:{chat}",
            f"{self._prefix}:place:{chat}",
        ]

    def _arguments(self, policy: SendPolicy) -> list[float]:
        now_ms = round(self._clock.now().timestamp() * 1000)
        gap_ms = 1000 / policy.per_second if policy.per_second else 0
        chat_gap_ms = 1000 / policy.chat_per_second if policy.chat_per_second else 0
        return [now_ms, gap_ms, chat_gap_ms, policy.chat_burst, _PATIENCE_MS]
