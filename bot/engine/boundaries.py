"""The boundaries of the message line: every moment at which a process may die without harm, by name.

Between two boundaries everything is either one commit or one call to a platform. A house opened with a ``Watch`` tells
it each time it crosses one; tests kill the process there. A house without a watch pays nothing for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from bot.domain.channel_ports import Addressee, ChannelAdapter, Delivery, PartsTaken, SendsInParts
from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import (
    NO_PARTS,
    Accepted,
    InboxStore,
    OutboxItem,
    OutboxStore,
    PartsRecord,
    PendingTurn,
    TurnCommit,
    TurnOutbox,
    TurnStore,
)
from bot.domain.messages import InboundMessage, OutboundMessage


class Boundary(StrEnum):
    """A moment of the message line, in the order a message meets them.

    SENDING is the commit that precedes a call to a platform which would show a repeat twice; MARK is the commit of what
    became of the call. Where the record itself is the delivery (web, terminal) what a turn says is committed as sent
    within TURN_COMMIT, and SEND only rings the shopper's page, which reads the record again when it connects or at its
    next look: killed in between, the ring is lost and the message is not.
    """

    BEFORE_INBOX_COMMIT = "before_inbox_commit"
    AFTER_INBOX_COMMIT = "after_inbox_commit"
    AFTER_LOAD = "after_load"
    BEFORE_TURN_COMMIT = "before_turn_commit"
    AFTER_TURN_COMMIT = "after_turn_commit"
    BEFORE_SENDING_COMMIT = "before_sending_commit"
    AFTER_SENDING_COMMIT = "after_sending_commit"
    BEFORE_SEND = "before_send"
    AFTER_SEND = "after_send"
    BEFORE_MARK_COMMIT = "before_mark_commit"
    AFTER_MARK_COMMIT = "after_mark_commit"


class Watch(Protocol):
    """Is told of every boundary crossed."""

    def __call__(self, boundary: StrEnum) -> None:
        """Notice the crossing of a Boundary or a DeskBoundary."""
        ...


@dataclass(frozen=True, slots=True)
class Line:
    """What the message line stands on; ``channels`` by name."""

    inbox: InboxStore
    turns: TurnStore
    outbox: OutboxStore
    channels: Mapping[str, ChannelAdapter]


def watched(line: Line, watch: Watch) -> Line:
    """Give the same line, telling ``watch`` of every boundary."""
    channels = {name: WatchedChannel(channel, watch) for name, channel in line.channels.items()}
    return Line(
        WatchedInbox(line.inbox, watch), WatchedTurns(line.turns, watch), WatchedOutbox(line.outbox, watch), channels
    )


class WatchedInbox:
    """An InboxStore that tells of its boundaries."""

    def __init__(self, inbox: InboxStore, watch: Watch) -> None:
        self._inbox = inbox
        self._watch = watch

    async def accept(self, messages: Sequence[InboundMessage], at: datetime) -> tuple[Accepted, ...]:
        """Commit messages."""
        self._watch(Boundary.BEFORE_INBOX_COMMIT)
        accepted = await self._inbox.accept(messages, at)
        self._watch(Boundary.AFTER_INBOX_COMMIT)
        return accepted


class WatchedTurns:
    """A TurnStore that tells of its boundaries."""

    def __init__(self, turns: TurnStore, watch: Watch) -> None:
        self._turns = turns
        self._watch = watch

    async def pending_conversations(self) -> tuple[ConversationId, ...]:
        """List what is pending."""
        return await self._turns.pending_conversations()

    async def load_turn(self, conversation_id: ConversationId) -> PendingTurn | None:
        """Load a turn."""
        pending = await self._turns.load_turn(conversation_id)
        if pending is not None:
            self._watch(Boundary.AFTER_LOAD)
        return pending

    async def commit_turn(self, commit: TurnCommit) -> TurnOutbox:
        """Commit a turn."""
        self._watch(Boundary.BEFORE_TURN_COMMIT)
        put = await self._turns.commit_turn(commit)
        self._watch(Boundary.AFTER_TURN_COMMIT)
        return put


class WatchedOutbox:
    """An OutboxStore that tells of its boundaries."""

    def __init__(self, outbox: OutboxStore, watch: Watch) -> None:
        self._outbox = outbox
        self._watch = watch

    async def next_due(self, conversation_id: ConversationId, at: datetime) -> OutboxItem | None:
        """Give the next message."""
        return await self._outbox.next_due(conversation_id, at)

    async def mark_sending(self, item: OutboxId, at: datetime) -> bool:
        """Record that an attempt begins."""
        self._watch(Boundary.BEFORE_SENDING_COMMIT)
        begun = await self._outbox.mark_sending(item, at)
        self._watch(Boundary.AFTER_SENDING_COMMIT)
        return begun

    async def publish(self, item: OutboxId, at: datetime, platform_id: str, parts: PartsRecord = NO_PARTS) -> bool:
        """Record a message whose record is its delivery."""
        self._watch(Boundary.BEFORE_MARK_COMMIT)
        published = await self._outbox.publish(item, at, platform_id, parts)
        self._watch(Boundary.AFTER_MARK_COMMIT)
        return published

    async def mark_sent(self, item: OutboxId, at: datetime, platform_id: str, parts: PartsRecord = NO_PARTS) -> None:
        """Record that the channel took it."""
        self._watch(Boundary.BEFORE_MARK_COMMIT)
        await self._outbox.mark_sent(item, at, platform_id, parts)
        self._watch(Boundary.AFTER_MARK_COMMIT)

    async def mark_deferred(self, item: OutboxId, due_at: datetime, reason: str, parts: PartsRecord = NO_PARTS) -> None:
        """Try again later."""
        self._watch(Boundary.BEFORE_MARK_COMMIT)
        await self._outbox.mark_deferred(item, due_at, reason, parts)
        self._watch(Boundary.AFTER_MARK_COMMIT)

    async def mark_refused(
        self, item: OutboxId, at: datetime, reason: str, kind: str, parts: PartsRecord = NO_PARTS
    ) -> None:
        """Record a refusal."""
        self._watch(Boundary.BEFORE_MARK_COMMIT)
        await self._outbox.mark_refused(item, at, reason, kind, parts)
        self._watch(Boundary.AFTER_MARK_COMMIT)

    async def mark_unclear(self, item: OutboxId, at: datetime, reason: str, parts: PartsRecord = NO_PARTS) -> None:
        """Record an unclear outcome."""
        self._watch(Boundary.BEFORE_MARK_COMMIT)
        await self._outbox.mark_unclear(item, at, reason, parts)
        self._watch(Boundary.AFTER_MARK_COMMIT)


class WatchedChannel:
    """A ChannelAdapter that tells of its boundaries."""

    def __init__(self, channel: ChannelAdapter, watch: Watch) -> None:
        self._channel = channel
        self._watch = watch
        self.name = channel.name
        self.capabilities = channel.capabilities

    @property
    def parts(self) -> PartsTaken | None:
        """Give the channel's count of parts, where it has one."""
        return self._channel.parts if isinstance(self._channel, SendsInParts) else None

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Hand one message to the platform."""
        self._watch(Boundary.BEFORE_SEND)
        delivery = await self._channel.send(to, message, outbox_id)
        self._watch(Boundary.AFTER_SEND)
        return delivery
