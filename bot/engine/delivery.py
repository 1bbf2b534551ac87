"""Outbox -> channel, in order, with back-off; what cannot be sent is recorded with its reason."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from bot.domain.channel_ports import Addressee, ChannelAdapter, Deferred, Delivery, Failed, Refused, Sent
from bot.domain.clock import Clock
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OutboxItem, OutboxStore
from bot.domain.ports import LiveEvent, LiveFeed
from bot.engine import live
from bot.engine.faults import describe

_LOG = logging.getLogger(__name__)
_MIN_WAIT_S = 0.05
_MAX_REASON_CHARS = 200


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait after a failure: ``first_s`` doubled each time up to ``longest_s``, at most ``max_tries``.

    A deferral (the platform itself says when to come again) does not count towards giving up before
    ``max_deferrals``.
    """

    first_s: float = 1.0
    longest_s: float = 300.0
    max_tries: int = 12
    max_deferrals: int = 500

    def wait_s(self, tries: int, chance: Random) -> float:
        """Give the wait before the next try, between half and all of the doubled time, so that retries spread."""
        full = min(self.longest_s, self.first_s * 2.0 ** min(tries, 30))
        return full * (0.5 + chance.random() / 2)


class Deliverer:
    """Delivers one conversation's outbox; call it for one conversation at a time."""

    def __init__(
        self,
        outbox: OutboxStore,
        channels: Mapping[str, ChannelAdapter],
        feed: LiveFeed,
        clock: Clock,
        chance: Random,
    ) -> None:
        """Use the adapters by channel name; ``chance`` spreads the retries; set ``back_off`` to change their pace."""
        self._outbox = outbox
        self._channels = channels
        self._feed = feed
        self._clock = clock
        self._chance = chance
        self.back_off = BackOff()

    async def deliver(self, conversation_id: ConversationId) -> float | None:
        """Send what is due, in order; return the seconds to wait before the next try, None when nothing waits.

        The first message that has to wait holds back those behind it, so that their order is kept.
        """
        while (item := await self._outbox.next_due(conversation_id, self._clock.now())) is not None:
            wait_s = await self._record(item, await self._send(item))
            if wait_s is not None:
                return wait_s
        return None

    async def _send(self, item: OutboxItem) -> Delivery:
        channel = self._channels.get(item.channel)
        if channel is None:
            return Failed(f"channel {item.channel!r} is not configured", retryable=True)
        to = Addressee(item.account, item.channel_user_id, item.conversation_id)
        try:
            return await channel.send(to, item.message, item.id)
        except Exception as problem:  # noqa: BLE001 - a fault in an adapter counts as a failed try, the line goes on
            _LOG.error("sending outbox row %s on channel %s: %s", item.id, item.channel, describe(problem))
            return Failed(f"{type(problem).__name__} in the channel's code", retryable=True)

    async def _record(self, item: OutboxItem, delivery: Delivery) -> float | None:
        match delivery:
            case Sent(platform_id=platform_id):
                await self._outbox.mark_sent(item.id, self._clock.now(), platform_id)
                await self._tell_shopper(item)
            case Deferred(after_s=after_s, reason=reason) if item.tries < self.back_off.max_deferrals:
                return await self._defer(item, max(after_s, _MIN_WAIT_S), reason)
            case Failed(reason=reason, retryable=True) if item.tries + 1 < self.back_off.max_tries:
                return await self._defer(item, self.back_off.wait_s(item.tries, self._chance), reason)
            case Deferred(reason=reason) | Failed(reason=reason, retryable=True):
                await self._refuse(item, f"given up after {item.tries + 1} tries: {reason}")
            case Failed(reason=reason) | Refused(reason=reason):
                await self._refuse(item, reason)
        for bell in live.changed(item.conversation_id):
            await self._feed.publish(bell)
        return None

    async def _defer(self, item: OutboxItem, wait_s: float, reason: str) -> float:
        due_at = self._clock.now() + timedelta(seconds=wait_s)
        await self._outbox.mark_deferred(item.id, due_at, reason[:_MAX_REASON_CHARS])
        return wait_s

    async def _refuse(self, item: OutboxItem, reason: str) -> None:
        _LOG.warning("outbox row %s on channel %s was not delivered: %s", item.id, item.channel, reason)
        await self._outbox.mark_refused(item.id, self._clock.now(), reason[:_MAX_REASON_CHARS])

    async def _tell_shopper(self, item: OutboxItem) -> None:
        topic = live.shopper_topic(item.channel, item.account, item.channel_user_id)
        data = {"conversation_id": item.conversation_id, "sender": item.sender}
        await self._feed.publish(LiveEvent(topic, "message", data))
