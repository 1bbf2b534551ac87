"""Outbox -> channel, in order, with back-off; what cannot be sent is recorded with its reason."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from bot.domain.channel_ports import (
    Addressee,
    ChannelAdapter,
    Deferred,
    Delivery,
    Failed,
    PartsTaken,
    Refusal,
    Refused,
    SendLimiter,
    SendPolicy,
    SendsInParts,
    Sent,
    Unclear,
)
from bot.domain.clock import Clock
from bot.domain.ids import ConversationId
from bot.domain.line_ports import OutboxItem, OutboxStore, PartsRecord, TurnOutbox
from bot.domain.ports import LiveEvent, LiveFeed
from bot.domain.windows import NO_PLACE, Place, SendingGate
from bot.engine import live
from bot.engine.faults import describe
from bot.engine.limits import MemorySendLimiter

_LOG = logging.getLogger(__name__)
_MIN_WAIT_S = 0.05
_MAX_REASON_CHARS = 200
_NO_LIMITS = SendPolicy()


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


class OpenGate:
    """A gate for channels that may always be sent to."""

    async def ask(self, item: OutboxItem, at: datetime) -> Deferred | Refused | None:
        """Let everything through."""
        del item, at
        return None

    async def reserve(self, item: OutboxItem, at: datetime, messages: int = 1) -> Place | Refused:
        """Take nothing."""
        del item, at, messages
        return NO_PLACE

    async def count(self, item: OutboxItem, went: int, at: datetime, place: Place = NO_PLACE) -> None:
        """Count nothing."""


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
        """Use the adapters by channel name; ``chance`` spreads the retries.

        Set ``back_off`` to change their pace, ``limiter`` when several processes share a channel's limits, ``gate``
        where channels have windows.
        """
        self._outbox = outbox
        self._channels = channels
        self._feed = feed
        self._clock = clock
        self._chance = chance
        self._held: dict[ConversationId, datetime] = {}
        self.back_off = BackOff()
        self.limiter: SendLimiter = MemorySendLimiter(clock)
        self.gate: SendingGate = OpenGate()

    async def deliver(self, conversation_id: ConversationId, put: TurnOutbox | None = None) -> float | None:
        """Send what is due, in order; return the seconds to wait before the next try, None when nothing waits.

        ``put`` is what the turn that was just committed has put in the outbox; None: there was none. The first message
        that has to wait holds back those behind it, so that their order is kept.
        """
        if put is not None:
            for shown in put.shown:
                await self._show(shown)
            if put.due is not None:
                self._held.pop(conversation_id, None)
                return await self._deliver_all(put.due)
        while (item := await self._outbox.next_due(conversation_id, self._clock.now())) is not None:
            wait_s = await self._deliver_one(item)
            if wait_s is not None:
                return wait_s
        return self._left_s(conversation_id)

    async def _deliver_all(self, items: Sequence[OutboxItem]) -> float | None:
        """Send what a turn has just put in; what is added to the outbox meanwhile has a bell of its own."""
        for item in items:
            wait_s = await self._deliver_one(item)
            if wait_s is not None:
                return wait_s
        return None

    async def _show(self, item: OutboxItem) -> None:
        """Tell the page of a message that is on record as sent already; the channel's answer changes nothing."""
        channel = self._channels.get(item.channel)
        if channel is not None:
            await self._send(channel, item, _addressee(item))
        await self._tell_shopper(item)

    def _left_s(self, conversation_id: ConversationId) -> float | None:
        """Give the seconds a message of this conversation still has to wait as far as this process knows."""
        due_at = self._held.pop(conversation_id, None)
        now = self._clock.now()
        if due_at is None or due_at <= now:
            return None
        self._held[conversation_id] = due_at
        return (due_at - now).total_seconds()

    async def _deliver_one(self, item: OutboxItem) -> float | None:
        channel = self._channels.get(item.channel)
        if channel is None:
            return await self._record(item, Failed(f"channel {item.channel!r} is not configured", retryable=True))
        policy = channel.capabilities.sending
        verdict = await self._verdict(item, policy)
        if verdict is not None:
            if isinstance(verdict, Deferred):
                return max(verdict.after_s, _MIN_WAIT_S)
            return await self._record(item, verdict)
        to = _addressee(item)
        wait_s = await self.limiter.wait_s(item.channel, to, policy)
        if wait_s > 0:
            return max(wait_s, _MIN_WAIT_S)
        return await self._try(item, channel, to)

    async def _try(self, item: OutboxItem, channel: ChannelAdapter, to: Addressee) -> float | None:
        """Take the message's place in the windows that count, send it, and record what became of it."""
        policy = channel.capabilities.sending
        parts = _parts(channel)
        needed = parts.needed(item.message) - item.parts_taken if parts is not None else 1
        place = await self.gate.reserve(item, self._clock.now(), max(needed, 1))
        if isinstance(place, Refused):
            return await self._record(item, place)
        # Where a repeat would be seen twice, the attempt is on record before it begins.
        if not policy.repeats_safely and not await self._outbox.mark_sending(item.id, self._clock.now()):
            await self.gate.count(item, 0, self._clock.now(), place)
            return None
        delivery = await self._send(channel, item, to)
        await self.gate.count(item, self._went(item, delivery), self._clock.now(), place)
        return await self._record(item, delivery, policy)

    def _went(self, item: OutboxItem, delivery: Delivery) -> int:
        """Tell how many messages this try has sent, or may have: parts go one by one, and some may have gone before."""
        if isinstance(delivery, Sent):
            return max(delivery.messages - item.parts_taken, 0)
        return self._parts_taken(item).taken - item.parts_taken + isinstance(delivery, Unclear)

    async def _verdict(self, item: OutboxItem, policy: SendPolicy) -> Deferred | Refused | Unclear | None:
        """Say why nothing is to be sent now; what the gate holds back stays untouched."""
        verdict = await self.gate.ask(item, self._clock.now())
        if not isinstance(verdict, Deferred) and item.interrupted and not policy.repeats_safely:
            return Unclear("Xiaoer was stopped while it was being sent")
        return verdict

    async def _send(self, channel: ChannelAdapter, item: OutboxItem, to: Addressee) -> Delivery:
        parts = _parts(channel)
        if parts is not None and item.parts_taken:
            parts.resume(item.id, item.parts_taken)
        try:
            return await channel.send(to, item.message, item.id)
        except Exception as problem:  # noqa: BLE001 - a fault in an adapter counts as a failed try, the line goes on
            _LOG.error("sending outbox row %s on channel %s: %s", item.id, item.channel, describe(problem))
            return Failed(f"{type(problem).__name__} in the channel's code", retryable=True)

    async def _record(self, item: OutboxItem, delivery: Delivery, policy: SendPolicy = _NO_LIMITS) -> float | None:
        outcome = self._weigh(item, delivery, policy)
        match outcome:
            case Sent(platform_id=platform_id):
                await self._sent(item, platform_id, policy)
            case Deferred(after_s=after_s, reason=reason):
                return await self._defer(item, max(after_s, _MIN_WAIT_S), reason)
            case Refused(reason=reason, kind=kind):
                await self._refuse(item, reason, kind)
            case Unclear(reason=reason):
                await self._flag(item, reason)
        for bell in live.changed(item.conversation_id):
            await self._feed.publish(bell)
        return None

    def _weigh(self, item: OutboxItem, delivery: Delivery, policy: SendPolicy) -> Sent | Deferred | Refused | Unclear:
        """Decide what follows from what the channel said."""
        match delivery:
            case Sent() | Refused():
                return delivery
            case Unclear() if not policy.repeats_safely:
                return delivery
            case Deferred() if item.tries < self.back_off.max_deferrals:
                return delivery
            case Failed(reason=reason, retryable=False):
                return Refused(reason, Refusal.FAILED)
            case Failed() | Unclear() if item.tries + 1 < self.back_off.max_tries:
                return Deferred(self.back_off.wait_s(item.tries, self._chance), delivery.reason)
        return Refused(f"given up after {item.tries + 1} tries: {delivery.reason}", Refusal.FAILED)

    async def _sent(self, item: OutboxItem, platform_id: str, policy: SendPolicy) -> None:
        if not policy.repeats_safely:
            await self._outbox.mark_sent(item.id, self._clock.now(), platform_id, self._all_parts(item))
        elif not await self._outbox.publish(item.id, self._clock.now(), platform_id, self._all_parts(item)):
            return
        await self._tell_shopper(item)

    async def _defer(self, item: OutboxItem, wait_s: float, reason: str) -> float:
        due_at = self._clock.now() + timedelta(seconds=wait_s)
        await self._outbox.mark_deferred(item.id, due_at, reason[:_MAX_REASON_CHARS], self._parts_taken(item))
        self._held[item.conversation_id] = due_at
        return wait_s

    async def _refuse(self, item: OutboxItem, reason: str, kind: Refusal) -> None:
        _LOG.warning("outbox row %s on channel %s was not delivered: %s", item.id, item.channel, reason)
        why, taken = reason[:_MAX_REASON_CHARS], self._parts_taken(item)
        await self._outbox.mark_refused(item.id, self._clock.now(), why, kind.value, taken)

    async def _flag(self, item: OutboxItem, reason: str) -> None:
        _LOG.warning("outbox row %s on channel %s may or may not have arrived: %s", item.id, item.channel, reason)
        why, taken = reason[:_MAX_REASON_CHARS], self._parts_taken(item)
        await self._outbox.mark_unclear(item.id, self._clock.now(), why, taken)

    def _parts_taken(self, item: OutboxItem) -> PartsRecord:
        """Give the parts of a message that is not whole yet."""
        parts = _parts(self._channels.get(item.channel))
        if parts is None:
            return PartsRecord(item.parts_taken)
        taken = max(item.parts_taken, parts.count(item.id))
        return PartsRecord(taken, {number: one for number, one in parts.ids(item.id).items() if number < taken})

    def _all_parts(self, item: OutboxItem) -> PartsRecord:
        """Give the parts of a message that was sent whole; a message of one part has none to be told apart."""
        parts = _parts(self._channels.get(item.channel))
        ids = parts.ids(item.id) if parts is not None else {}
        return PartsRecord(len(ids), ids if any(ids) else {})

    async def _tell_shopper(self, item: OutboxItem) -> None:
        topic = live.shopper_topic(item.channel, item.account, item.channel_user_id)
        data = {"conversation_id": item.conversation_id, "sender": item.sender}
        await self._feed.publish(LiveEvent(topic, "message", data))


def _parts(channel: ChannelAdapter | None) -> PartsTaken | None:
    return channel.parts if isinstance(channel, SendsInParts) else None


def _addressee(item: OutboxItem) -> Addressee:
    return Addressee(item.account, item.channel_user_id, item.conversation_id, item.sender)
