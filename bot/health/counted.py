"""Wrappers around the parts of the line: they count, time and log with ids, never with words."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

from bot.domain.channel_ports import Addressee, ChannelAdapter, Delivery, OnPulled, PartsTaken, Refused, SendsInParts
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import Accepted, Cursor, TurnOutbox
from bot.domain.messages import InboundMessage, OutboundMessage
from bot.domain.ports import Recogniser
from bot.domain.understanding import Expectation, Recognition
from bot.health.numbers import Numbers

_LOG = logging.getLogger("xiaoer.line")

Accept = Callable[[Sequence[InboundMessage]], Awaitable[tuple[Accepted, ...]]]


class Turns(Protocol):
    """Runs turns."""

    async def run(self, conversation_id: ConversationId) -> TurnOutbox | None:
        """Handle what is pending and tell what is to be delivered of it; None when nothing was pending."""
        ...


class CountedTurns:
    """Counts and times turns."""

    def __init__(self, turns: Turns, numbers: Numbers) -> None:
        self._turns = turns
        self._numbers = numbers

    async def run(self, conversation_id: ConversationId) -> TurnOutbox | None:
        """Run the turn; log it when there was one."""
        begin = time.perf_counter()
        with structlog.contextvars.bound_contextvars(conversation=conversation_id):
            try:
                put = await self._turns.run(conversation_id)
            except Exception:
                self._numbers.turns.labels("failed").inc()
                raise
            if put is not None:
                seconds = time.perf_counter() - begin
                self._numbers.turns.labels("done").inc()
                self._numbers.turn_seconds.observe(seconds)
                _LOG.info("turn", extra={"ms": round(1000 * seconds, 1)})
        return put


class CountedRecogniser:
    """Times the engine."""

    def __init__(self, recogniser: Recogniser, numbers: Numbers) -> None:
        self._recogniser = recogniser
        self._numbers = numbers

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Understand ``text``."""
        with self._numbers.engine_seconds.time():
            return await self._recogniser.recognise(text, expectation)


class CountedChannel:
    """Counts what a channel says to each attempt."""

    def __init__(self, channel: ChannelAdapter, numbers: Numbers) -> None:
        self.name = channel.name
        self.capabilities = channel.capabilities
        self._channel = channel
        self._numbers = numbers

    @property
    def parts(self) -> PartsTaken | None:
        """Give the channel's count of parts, where it has one."""
        return self._channel.parts if isinstance(self._channel, SendsInParts) else None

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Hand the message to the channel."""
        try:
            delivery = await self._channel.send(to, message, outbox_id)
        except Exception:
            self._numbers.deliveries.labels(self.name, "fault").inc()
            raise
        outcome = type(delivery).__name__.lower()
        self._numbers.deliveries.labels(self.name, outcome).inc()
        if isinstance(delivery, Refused):
            self._numbers.refusals.labels(self.name, str(getattr(delivery, "kind", "other"))).inc()
        ids = {"conversation": to.conversation_id, "outbox": outbox_id}
        _LOG.info("delivery", extra={**ids, "channel": self.name, "outcome": outcome})
        return delivery


def counted_accept(accept: Accept, numbers: Numbers) -> Accept:
    """Count and log what is taken in."""

    async def take(messages: Sequence[InboundMessage]) -> tuple[Accepted, ...]:
        return _counted(messages, await accept(messages), numbers)

    return take


class CountedPulled:
    """Counts and logs what is pulled."""

    def __init__(self, pulled: OnPulled, numbers: Numbers) -> None:
        self._pulled = pulled
        self._numbers = numbers

    async def accept(self, messages: Sequence[InboundMessage], cursor: Cursor) -> tuple[Accepted, ...]:
        """Commit the messages and how far the platform has been read."""
        return _counted(messages, await self._pulled.accept(messages, cursor), self._numbers)

    async def position(self, cursor: Cursor) -> str:
        """Tell how far the platform has been read."""
        return await self._pulled.position(cursor)


def _counted(messages: Sequence[InboundMessage], taken: tuple[Accepted, ...], numbers: Numbers) -> tuple[Accepted, ...]:
    for message, one in zip(messages, taken, strict=True):
        channel = message.sender.channel
        (numbers.repeats if one.duplicate else numbers.accepted).labels(channel).inc()
        ids = {"conversation": one.conversation_id, "inbox": one.inbox_id}
        _LOG.info("accepted", extra={**ids, "channel": channel, "duplicate": one.duplicate})
    return taken
