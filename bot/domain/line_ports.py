"""The message line's ports: taken in, handled, to be delivered; and the atomic changes of owner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.domain.conversation import Conversation, Owner
from bot.domain.customers import Customer
from bot.domain.events import Event
from bot.domain.ids import ConversationId, InboxId, OutboxId
from bot.domain.messages import InboundMessage, OutboundMessage
from bot.domain.people import Agent
from bot.domain.tickets import TicketDraft
from bot.domain.tracker import Tracker
from bot.domain.turns import ProofAttempt, TicketMove


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message is in the inbox; ``duplicate`` when it had been before.

    Without a conversation (``""``) it was about a message of somebody who never wrote to us, and is not kept.
    """

    conversation_id: ConversationId
    inbox_id: InboxId
    duplicate: bool


@dataclass(frozen=True, slots=True)
class PendingTurn:
    """What a turn starts from: the conversation, its customer, its tracker and the messages not yet handled."""

    conversation: Conversation
    customer: Customer
    tracker: Tracker
    inbox: tuple[tuple[InboxId, InboundMessage], ...]


@dataclass(frozen=True, slots=True)
class OutboxDraft:
    """A message to be delivered with the event that records it (BotUttered, AgentUttered or NoticeSent).

    ``sender`` is ``bot``, ``agent`` or ``notice``; only ``bot`` rows are bound to the epoch after the commit.
    """

    message: OutboundMessage
    sender: str
    event: Event


@dataclass(frozen=True, slots=True)
class TurnCommit:
    """Everything a turn changes; committed in one transaction or not at all.

    ``expected_epoch`` guards it: if the owner changed meanwhile, TurnStore.commit_turn raises Conflict and nothing
    is written. ``owner`` is the new owner (None: unchanged); storage raises the epoch and appends OwnerChanged itself,
    as it does TicketMoved for each of ``ticket_moves`` that changes a state. Order of the appended events: ``events``,
    then TicketMoved and OwnerChanged, then the events carried by ``outbox``; the stored
    tracker is ``tracker`` (folded from the first), folded on with the appended rest.
    """

    conversation_id: ConversationId
    expected_epoch: int
    inbox_ids: tuple[InboxId, ...]
    events: tuple[Event, ...]
    outbox: tuple[OutboxDraft, ...]
    tracker: Tracker
    at: datetime
    tickets: tuple[TicketDraft, ...] = ()
    ticket_moves: tuple[TicketMove, ...] = ()
    proof_attempts: tuple[ProofAttempt, ...] = ()
    owner: Owner | None = None
    locale: str = ""
    messages_allowed: bool | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a platform that is pulled has been read: ``name`` within (channel, account), ``position`` there.

    ``before`` is where the reading began: a cursor that somebody else has moved meanwhile stays where it is.
    """

    channel: str
    account: str
    name: str
    position: str = ""
    before: str = ""


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A message to deliver now; ``tries`` counts attempts before this one.

    ``interrupted``: an attempt was begun and its outcome was never recorded, so it may have arrived. ``parts_taken``
    of it were taken by the platform at earlier tries.
    """

    id: OutboxId
    conversation_id: ConversationId
    channel: str
    account: str
    channel_user_id: str
    sender: str
    message: OutboundMessage
    tries: int
    created_at: datetime
    interrupted: bool = False
    parts_taken: int = 0


@dataclass(frozen=True, slots=True)
class PartsRecord:
    """What is known of a message's parts: how many were taken, the first on, and their ids by number from 0."""

    taken: int = 0
    ids: Mapping[int, str] = field(default_factory=dict)


NO_PARTS = PartsRecord()


@dataclass(frozen=True, slots=True)
class TurnOutbox:
    """What a turn's commit put in the outbox, so that it is delivered without being read again.

    ``shown``: on a channel whose record is its delivery the messages were committed as sent; the shopper's page is
    still to be told. ``due``: nothing else of the conversation waits, and these are to be sent, in order; None: read
    the outbox, something older may go first.
    """

    shown: tuple[OutboxItem, ...] = ()
    due: tuple[OutboxItem, ...] | None = None


class InboxStore(Protocol):
    """Takes messages in; what it returned is never lost."""

    async def accept(self, messages: Sequence[InboundMessage], at: datetime) -> tuple[Accepted, ...]:
        """Commit messages to the inbox, opening customer, identity and conversation where needed; idempotent."""
        ...


class PulledInbox(Protocol):
    """Takes in what was pulled from a platform; messages and cursor are committed together."""

    async def accept_pulled(
        self, messages: Sequence[InboundMessage], cursor: Cursor, at: datetime
    ) -> tuple[Accepted, ...]:
        """Commit messages together with how far their platform has been read; also when there are no messages."""
        ...

    async def position(self, cursor: Cursor) -> str:
        """Tell how far a platform has been read; empty when it never was."""
        ...


class TurnStore(Protocol):
    """Loads and commits turns."""

    async def pending_conversations(self) -> tuple[ConversationId, ...]:
        """List conversations with unhandled inbox or undelivered outbox rows; for start and sweep."""
        ...

    async def load_turn(self, conversation_id: ConversationId) -> PendingTurn | None:
        """Load what a turn starts from; None when nothing is pending."""
        ...

    async def commit_turn(self, commit: TurnCommit) -> TurnOutbox:
        """Commit a turn at once and tell what is to be delivered; Conflict when the epoch is not the expected one."""
        ...


class OutboxStore(Protocol):
    """The messages to deliver, in order."""

    async def next_due(self, conversation_id: ConversationId, at: datetime) -> OutboxItem | None:
        """Give the conversation's first undelivered message if it is due; drops bot rows of an older epoch first.

        Ask only while nobody else delivers this conversation.
        """
        ...

    async def mark_sending(self, item: OutboxId, at: datetime) -> bool:
        """Record that an attempt begins; False (and nothing to send) when the owner changed meanwhile."""
        ...

    async def publish(self, item: OutboxId, at: datetime, platform_id: str, parts: PartsRecord = NO_PARTS) -> bool:
        """Record a message as sent whose record is its delivery; False when the owner changed meanwhile."""
        ...

    async def mark_sent(self, item: OutboxId, at: datetime, platform_id: str, parts: PartsRecord = NO_PARTS) -> None:
        """Record that the channel took it, ``platform_id`` naming the last of its parts."""
        ...

    async def mark_deferred(self, item: OutboxId, due_at: datetime, reason: str, parts: PartsRecord = NO_PARTS) -> None:
        """Try again at ``due_at``, behind the parts that were taken; counts a try."""
        ...

    async def mark_refused(
        self, item: OutboxId, at: datetime, reason: str, kind: str, parts: PartsRecord = NO_PARTS
    ) -> None:
        """Record that it will never be taken, and why; ``kind`` as ``Refusal``."""
        ...

    async def mark_unclear(self, item: OutboxId, at: datetime, reason: str, parts: PartsRecord = NO_PARTS) -> None:
        """Record that it may or may not have arrived; nobody sends it again unless a person says so."""
        ...


class OwnershipStore(Protocol):
    """Atomic changes of owner, each with its event, its epoch and its outbox rows."""

    async def take(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Give the conversation to the agent; Conflict names who has it when somebody else was first."""
        ...

    async def give_back(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Return it to the bot."""
        ...

    async def resolve(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """End it; a later message opens another conversation."""
        ...

    async def requeue(self, conversation_id: ConversationId, agent: Agent, at: datetime) -> Conversation:
        """Let it wait for another agent, since this one is gone; unchanged unless he holds it."""
        ...

    async def reply(
        self, conversation_id: ConversationId, agent: Agent, text: str, at: datetime, client_key: str
    ) -> None:
        """Send the agent's words; Conflict unless the agent holds it. ``client_key`` makes a repeat harmless."""
        ...

    async def send(
        self, conversation_id: ConversationId, agent: Agent, message: OutboundMessage, at: datetime, client_key: str
    ) -> None:
        """Send a whole message of the agent's, as ``reply`` does with words."""
        ...
