"""Where the parts meet: what each needs from the outside, as protocols.

An adapter, its port and its test double share a name: ``OrderSource``, ``SqlOrderSource``, ``MemoryOrderSource``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from bot.domain.conversation import Conversation, Owner
from bot.domain.customers import Customer
from bot.domain.events import Event
from bot.domain.forms import Form
from bot.domain.ids import ConversationId, CustomerId, InboxId, OutboxId
from bot.domain.knowledge import KnowledgeEntry
from bot.domain.messages import Button, InboundMessage, OutboundMessage, Sender
from bot.domain.orders import Order
from bot.domain.people import Agent
from bot.domain.replies import Locale, Reply
from bot.domain.tickets import Ticket, TicketDraft
from bot.domain.tracker import Tracker
from bot.domain.turns import Outcome, ProofAttempt, TicketMove, Turn
from bot.domain.understanding import Expectation, Recognition

# ---------------------------------------------------------------- understanding, saying, doing


class Recogniser(Protocol):
    """Text -> Recognition."""

    async def recognise(self, text: str, expectation: Expectation) -> Recognition:
        """Understand ``text`` (any length, any characters; never raises for what the text holds)."""
        ...


class Knowledge(Protocol):
    """The shop's knowledge entries."""

    def entry(self, topic: str) -> KnowledgeEntry | None:
        """Find the entry of a topic (``faq/refund_time``)."""
        ...

    def topics(self) -> tuple[str, ...]:
        """List all topics."""
        ...


class Renderer(Protocol):
    """Reply -> OutboundMessage."""

    def render(self, reply: Reply, locale: Locale) -> OutboundMessage:
        """Fill the reply's template in the locale."""
        ...


class Handler(Protocol):
    """Does one intent, or submits the form it opened."""

    async def __call__(self, turn: Turn) -> Outcome:
        """Do what the turn asks for."""
        ...


@dataclass(frozen=True, slots=True)
class HandlerEntry:
    """A row of the HANDLERS table.

    ``run`` starts the intent. ``form`` names the form it may open, ``submit`` does the work once that form is
    complete. ``faq`` handlers are run for every intent under ``faq/``.
    """

    run: Handler
    form: Form | None = None
    submit: Handler | None = None


# ---------------------------------------------------------------- orders and tickets as handlers see them


class OrderSource(Protocol):
    """The shop's orders."""

    async def find(self, number: str) -> Order | None:
        """Find an order by its number, written in any of the usual ways (``#W123``, ``w123``, spaces)."""
        ...

    async def cancel(self, number: str) -> Order:
        """Cancel; idempotent. Raises Conflict when it has left the warehouse, NotFound when there is none."""
        ...


class ProofLedger(Protocol):
    """Tries to prove orders, over all conversations."""

    async def failures(self, customer_id: CustomerId, order_number: str, since: datetime) -> int:
        """Count wrong tries since ``since``: the larger of the customer's own and those for that order."""
        ...


class TicketBook(Protocol):
    """A customer's tickets, read-only."""

    async def of_customer(self, customer_id: CustomerId) -> tuple[Ticket, ...]:
        """List the customer's tickets, newest first."""
        ...


class QueueBoard(Protocol):
    """Who is there and who waits, as the shopper is told."""

    async def agents_online(self) -> int:
        """Count agents who are signed in and available."""
        ...

    async def waiting(self) -> int:
        """Count conversations waiting for an agent."""
        ...


# ---------------------------------------------------------------- the message line


@dataclass(frozen=True, slots=True)
class Accepted:
    """A message is in the inbox; ``duplicate`` when it had been before."""

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

    ``sender`` is ``bot``, ``agent`` or ``notice``; only ``bot`` rows are bound to the epoch that holds after the commit.
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


class InboxStore(Protocol):
    """Takes messages in; what it returned is never lost."""

    async def accept(self, messages: Sequence[InboundMessage], at: datetime) -> tuple[Accepted, ...]:
        """Commit messages to the inbox, opening customer, identity and conversation where needed; idempotent."""
        ...


class TurnStore(Protocol):
    """Loads and commits turns."""

    async def pending_conversations(self) -> tuple[ConversationId, ...]:
        """List conversations with unhandled inbox or undelivered outbox rows; for start and sweep."""
        ...

    async def load_turn(self, conversation_id: ConversationId) -> PendingTurn | None:
        """Load what a turn starts from; None when nothing is pending."""
        ...

    async def commit_turn(self, commit: TurnCommit) -> None:
        """Commit a turn at once; Conflict when the epoch is no longer the expected one."""
        ...


@dataclass(frozen=True, slots=True)
class OutboxItem:
    """A message to deliver now; ``tries`` counts attempts before this one."""

    id: OutboxId
    conversation_id: ConversationId
    channel: str
    account: str
    channel_user_id: str
    sender: str
    message: OutboundMessage
    tries: int
    created_at: datetime


class OutboxStore(Protocol):
    """The messages to deliver, in order."""

    async def next_due(self, conversation_id: ConversationId, at: datetime) -> OutboxItem | None:
        """Give the conversation's first undelivered message if it is due; drops bot rows of an older epoch first."""
        ...

    async def mark_sent(self, item: OutboxId, at: datetime, platform_id: str) -> None:
        """Record that the channel took it."""
        ...

    async def mark_deferred(self, item: OutboxId, due_at: datetime, reason: str) -> None:
        """Try again at ``due_at``; counts a try."""
        ...

    async def mark_refused(self, item: OutboxId, at: datetime, reason: str) -> None:
        """Record that it will never be taken, and why."""
        ...


# ---------------------------------------------------------------- channels


@dataclass(frozen=True, slots=True)
class Sent:
    """The platform took the message; ``platform_id`` is its id there."""

    platform_id: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: try again after ``after_s`` seconds."""

    after_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: the platform's window, quota or the customer's block forbids it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work; ``retryable`` tells whether another try makes sense."""

    reason: str
    retryable: bool


Delivery = Sent | Deferred | Refused | Failed


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can show: limits in ``text_unit`` (``chars``, ``utf16`` or ``bytes``)."""

    max_text: int
    text_unit: str = "chars"
    max_buttons: int = 0
    images: bool = False


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom to send to."""

    account: str
    channel_user_id: str
    conversation_id: ConversationId


class ChannelAdapter(Protocol):
    """A platform's code: what it can do and how to send. Receiving is its webhook router."""

    name: str
    capabilities: Capabilities

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Hand one message to the platform; never raises for what the platform answers."""
        ...


@dataclass(frozen=True, slots=True)
class StreamItem:
    """One message as the shopper may see it; ``sender`` is ``customer``, ``bot``, ``agent`` or ``notice``.

    ``seq`` is the event's number: it only grows within an identity, so it serves as Last-Event-ID.
    ``client_key`` is the dedupe key of the shopper's own message, else empty.
    """

    seq: int
    at: datetime
    sender: str
    text: str
    buttons: tuple[Button, ...] = ()
    agent_name: str = ""
    client_key: str = ""


class ShopperStream(Protocol):
    """What one identity may see of its conversations: its own messages and what was sent to it."""

    async def since(self, sender: Sender, after_seq: int, limit: int) -> tuple[StreamItem, ...]:
        """List items after ``after_seq``, oldest first; only sent outbox rows are seen."""
        ...

    async def latest(self, sender: Sender, limit: int) -> tuple[StreamItem, ...]:
        """List the newest ``limit`` items, oldest first."""
        ...


OnMessages = Callable[[Sequence[InboundMessage]], Awaitable[tuple[Accepted, ...]]]
"""What a channel calls with the messages it has verified and parsed; returns once they are committed."""


# ---------------------------------------------------------------- live


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """Something to look at now; a bell, not a truth.

    Topics: ``conversation:<id>`` and ``desk`` (kind ``changed``) for the console, ``shopper:<channel>:<account>:<user id>``
    (kinds ``message`` and ``typing``) for the shopper's own page.
    """

    topic: str
    kind: str
    data: Mapping[str, Any] = field(default_factory=dict)


class LiveFeed(Protocol):
    """Tells open pages that something changed."""

    async def publish(self, event: LiveEvent) -> None:
        """Tell everyone subscribed to the topic; never waits for a slow reader."""
        ...

    def subscribe(self, topics: Sequence[str]) -> AsyncIterator[LiveEvent]:
        """Follow topics until the iterator is closed; a slow reader loses the oldest, then sees ``kind='lost'``."""
        ...


class Dispatcher(Protocol):
    """Wakes the engine; only a bell."""

    async def ring(self, conversation_id: ConversationId) -> None:
        """Ask for the conversation to be drained soon."""
        ...


# ---------------------------------------------------------------- the desk


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

    async def reply(
        self, conversation_id: ConversationId, agent: Agent, text: str, at: datetime, client_key: str
    ) -> None:
        """Send the agent's words; Conflict unless the agent holds it. ``client_key`` makes a repeat harmless."""
        ...


class ConversationReader(Protocol):
    """Read conversations for pages."""

    async def get(self, conversation_id: ConversationId) -> Conversation:
        """Load a conversation; NotFound when there is none."""
        ...

    async def events(
        self, conversation_id: ConversationId, after_seq: int = 0
    ) -> tuple[tuple[int, datetime, Event], ...]:
        """List (sequence, time, event) in order."""
        ...


class TicketDesk(Protocol):
    """Work on tickets."""

    async def move(self, number: str, to: str, agent: Agent, at: datetime) -> Ticket:
        """Change a ticket's state and tell the shopper in chat; Conflict when the state does not permit it."""
        ...
