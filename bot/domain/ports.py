"""Where the parts meet: what each needs from the outside, as protocols.

An adapter, its port and its test double share a name: ``OrderSource``, ``SqlOrderSource``, ``MemoryOrderSource``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from bot.domain.conversation import Conversation
from bot.domain.events import Event
from bot.domain.forms import Form
from bot.domain.ids import ConversationId, CustomerId
from bot.domain.knowledge import KnowledgeEntry
from bot.domain.messages import OutboundMessage
from bot.domain.orders import Order
from bot.domain.replies import Locale, Reply
from bot.domain.tickets import Ticket
from bot.domain.turns import Outcome, Turn
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


class NetworkTries(Protocol):
    """Tries to prove orders by the network address they come from, whoever makes them; right ones do not count."""

    async def wait(self, network: str) -> timedelta:
        """Tell how long until somebody there may try again; zero: now, also where the network is not known."""
        ...

    async def begin(self, network: str) -> str | None:
        """Count a try before it is looked at, so that many at once do not slip through; None: no more may be made.

        What is given is for ``forgive``; empty where nothing was counted.
        """
        ...

    async def forgive(self, network: str, begun: str) -> None:
        """Count a try no more that turned out right."""
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


# ---------------------------------------------------------------- live


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """Something to look at now; a bell, not a truth.

    Topics: ``conversation:<id>`` and ``desk`` (kind ``changed``) for the console,
    ``shopper:<channel>:<account>:<user id>`` (kinds ``message`` and ``typing``) for the shopper's own page.
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

    async def ring(self, conversation_id: ConversationId, quiet_s: float | None = None) -> None:
        """Ask for the conversation to be drained once ``quiet_s`` seconds bring no other bell (None: the usual time).

        Bells put it off only so far; 0 asks at once.
        """
        ...


# ---------------------------------------------------------------- the desk


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

    async def last_said(self, conversation_id: ConversationId) -> str:
        """Name the shopper's last message as his platform does; empty when he said nothing, or it has no name."""
        ...
