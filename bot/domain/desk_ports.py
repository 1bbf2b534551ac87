"""What the desk and the console need from the outside, beyond ``bot.domain.ports``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from bot.domain.conversation import CustomerThread, Owner
from bot.domain.customers import ChannelIdentity, Customer
from bot.domain.handoff import Priority
from bot.domain.ids import AgentId, ConversationId
from bot.domain.people import Agent, Role
from bot.domain.tickets import Ticket, TicketState

Notice = Callable[[str, Mapping[str, Any], str], str]
"""Words of a notice to the shopper: ``notice(template key, data, locale) -> text``."""

PRESENT_FOR_S = 120
"""A person counts as online for this many seconds after the console last heard from him."""

PAGE_ROWS = 50
"""Rows on one page of a list."""

SHOWN_ROWS = 50
"""So many orders, tickets and past conversations of a customer are shown at most."""


# ---------------------------------------------------------------- people and their sessions


@dataclass(frozen=True, slots=True)
class Person:
    """A human behind the counter as the admin and the login see him; times aware UTC."""

    agent: Agent
    password_hash: str = field(repr=False)
    sessions_valid_after: datetime
    last_seen_at: datetime | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class NewPerson:
    """A person about to be added; ``login`` in its normal form."""

    login: str
    display_name: str
    role: Role
    password_hash: str = field(repr=False)
    locale: str = "zh"
    timezone: str = "Asia/Shanghai"


class People(Protocol):
    """The humans behind the counter."""

    async def list(self) -> tuple[Person, ...]:
        """List everyone, active first, then by login."""
        ...

    async def by_login(self, login: str) -> Person | None:
        """Find by the normal form of a login."""
        ...

    async def by_id(self, agent_id: AgentId) -> Person | None:
        """Find by id."""
        ...

    async def add(self, person: NewPerson, at: datetime) -> Agent:
        """Add a person; Conflict when the login is taken."""
        ...

    async def set_role(self, agent_id: AgentId, role: Role) -> Agent:
        """Change the role; Conflict when no active admin would be left, NotFound when there is nobody."""
        ...

    async def set_active(self, agent_id: AgentId, active: bool, at: datetime) -> Agent:
        """Let in or shut out (which ends all sessions); Conflict when no active admin would be left."""
        ...

    async def set_password(self, agent_id: AgentId, password_hash: str, sessions_valid_after: datetime | None) -> None:
        """Store another password hash; sessions opened before ``sessions_valid_after`` end (None: they stay)."""
        ...

    async def set_preferences(self, agent_id: AgentId, locale: str, timezone: str) -> Agent:
        """Store the console's language and the IANA time zone."""
        ...

    async def revoke_sessions(self, agent_id: AgentId, valid_after: datetime) -> None:
        """End every session opened before ``valid_after``."""
        ...

    async def mark_seen(self, agent_id: AgentId, at: datetime | None) -> None:
        """Record that the person is there (None: has left)."""
        ...


# ---------------------------------------------------------------- the queue


class QueueView(StrEnum):
    """Which conversations an inbox list shows; ``SNOOZED`` are one's own put aside, ``ALL`` those not resolved."""

    WAITING = "waiting"
    MINE = "mine"
    SNOOZED = "snoozed"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class QueueRow:
    """A conversation in an inbox list; ``last_sender`` is ``customer``, ``bot``, ``agent`` or ``notice``.

    ``last_text`` is what was said last by anybody, ``customer_words`` what the customer said last. ``overdue``: the
    promised time has passed, ``closing``: the platform's window closes soon, ``simulated``: nobody real is behind it.
    """

    conversation_id: ConversationId
    channel: str
    customer_name: str
    owner: Owner
    agent_id: AgentId | None
    agent_name: str
    last_text: str
    last_sender: str
    customer_words: str
    handoff_reason: str
    handoff_priority: str
    waiting_since: datetime | None
    updated_at: datetime
    overdue: bool = False
    closing: bool = False
    snoozed: bool = False
    simulated: bool = False
    snoozed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class QueueCounts:
    """How many conversations each inbox list holds."""

    waiting: int
    mine: int
    all: int
    snoozed: int = 0


class QueueLists(Protocol):
    """The inbox."""

    async def rows(self, view: QueueView, agent_id: AgentId, page: int = 1) -> tuple[QueueRow, ...]:
        """List one page: waiting by priority then longest wait, the others newest first; PAGE_ROWS a page."""
        ...

    async def counts(self, agent_id: AgentId) -> QueueCounts:
        """Count the lists for this agent."""
        ...

    async def held_by(self, agent_id: AgentId) -> tuple[ConversationId, ...]:
        """List the conversations an agent holds."""
        ...


# ---------------------------------------------------------------- one conversation and its customer


@dataclass(frozen=True, slots=True)
class HandoffNote:
    """Why a human was asked for, as the queue keeps it; empty strings when nobody asked."""

    reason: str = ""
    summary: str = ""
    priority: str = ""
    waiting_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class PastConversation:
    """Another conversation of the same customer."""

    id: ConversationId
    channel: str
    owner: Owner
    opened_at: datetime
    last_text: str


@dataclass(frozen=True, slots=True)
class CustomerFile:
    """The whole customer beside the chat; order numbers are those proved, newest first; ``conflict`` as in links."""

    customer: Customer
    identities: tuple[ChannelIdentity, ...]
    order_numbers: tuple[str, ...]
    tickets: tuple[Ticket, ...]
    past: tuple[PastConversation, ...]
    handoff: HandoffNote
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class DeliveryState:
    """Where a message to the shopper is, and why: the states of an outbox row, ``refusal`` as ``Refusal`` or ``""``.

    ``receipt`` is what the platform said of it later: ``delivered`` or ``read``; ``""``: nothing. ``failure`` is what
    it said when it reported a failure all the same. A message in several parts is as far as the one that has come the
    least; ``parts_taken`` is how many, the first on, went out of one that did not go out whole.
    """

    state: str
    reason: str = ""
    refusal: str = ""
    receipt: str = ""
    receipt_at: datetime | None = None
    failure: str = ""
    parts_taken: int = 0


class CustomerFiles(Protocol):
    """What is known of a conversation's customer."""

    async def of_conversation(self, conversation_id: ConversationId, most: int = SHOWN_ROWS) -> CustomerFile:
        """Load the customer of a conversation, the newest ``most`` of each kind; NotFound when there is none."""
        ...

    async def threads(self, conversation_id: ConversationId, most: int) -> tuple[CustomerThread, ...]:
        """List all conversations of its customer over all channels, newest first; NotFound as above."""
        ...


class DeliveryStates(Protocol):
    """What became of the messages to the shopper."""

    async def of_conversation(self, conversation_id: ConversationId) -> Mapping[int, DeliveryState]:
        """Map event numbers to the state of their delivery."""
        ...


class Notebook(Protocol):
    """Private notes of a conversation."""

    async def write(self, conversation_id: ConversationId, agent: Agent, text: str, at: datetime) -> None:
        """Append a private note; NotFound when there is no such conversation."""
        ...


# ---------------------------------------------------------------- transcripts


@dataclass(frozen=True, slots=True)
class TranscriptQuery:
    """What a manager looks for; empty fields do not filter.

    ``since`` (inclusive) and ``until`` (exclusive) select conversations with something said between them, aware UTC.
    ``text`` is found anywhere in what was said or in the customer's name, whatever the case.
    """

    text: str = ""
    since: datetime | None = None
    until: datetime | None = None
    channel: str = ""
    agent_id: str = ""
    intent: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class TranscriptHit:
    """A conversation found; ``excerpt`` is what was said where the text was found, or its last words."""

    conversation_id: ConversationId
    channel: str
    customer_name: str
    owner: Owner
    opened_at: datetime
    updated_at: datetime
    excerpt: str


@dataclass(frozen=True, slots=True)
class TranscriptPage:
    """One page of hits and how many there are in all."""

    hits: tuple[TranscriptHit, ...]
    total: int


@dataclass(frozen=True, slots=True)
class TranscriptChoices:
    """What the filters offer; agents as (id, name)."""

    channels: tuple[str, ...]
    agents: tuple[tuple[str, str], ...]
    intents: tuple[str, ...]


class TranscriptSearch(Protocol):
    """Finds conversations by what was said in them."""

    async def search(self, query: TranscriptQuery) -> TranscriptPage:
        """Find conversations, newest first; PAGE_ROWS a page."""
        ...

    async def choices(self) -> TranscriptChoices:
        """List the values the filters offer."""
        ...


# ---------------------------------------------------------------- tickets


@dataclass(frozen=True, slots=True)
class TicketQuery:
    """Which tickets; empty fields do not filter. ``state`` may be ``unfinished`` (not solved, not closed).

    ``owner`` is an agent's id or ``nobody``; ``text`` is looked for in number, order number, summary and customer.
    """

    state: str = ""
    kind: str = ""
    priority: str = ""
    owner: str = ""
    text: str = ""
    page: int = 1


@dataclass(frozen=True, slots=True)
class TicketLine:
    """A ticket in a list."""

    ticket: Ticket
    customer_name: str
    owner_name: str
    channel: str


@dataclass(frozen=True, slots=True)
class TicketPage:
    """One page of tickets and how many there are in all."""

    lines: tuple[TicketLine, ...]
    total: int


@dataclass(frozen=True, slots=True)
class TicketNote:
    """What happened to a ticket: a private note, or a change of state (``before``, ``after``) or owner."""

    author_name: str
    text: str
    change: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class TicketFile:
    """A ticket with its history, newest last."""

    line: TicketLine
    notes: tuple[TicketNote, ...]


@dataclass(frozen=True, slots=True)
class MovedTicket:
    """A ticket after its move and the conversation in which the shopper is told."""

    ticket: Ticket
    told_in: ConversationId


class TicketBoard(Protocol):
    """The ticket queue."""

    async def search(self, query: TicketQuery) -> TicketPage:
        """List tickets, those due first; PAGE_ROWS a page."""
        ...

    async def open(self, number: str) -> TicketFile:
        """Load a ticket with its history; NotFound when there is none."""
        ...

    async def own(self, number: str, owner_id: AgentId | None, by: Agent, at: datetime) -> Ticket:
        """Give the ticket to a person (None: to nobody), with a line in its history."""
        ...

    async def move_and_tell(self, number: str, to: TicketState, by: Agent, at: datetime) -> MovedTicket:
        """Change the state and tell the shopper in the same commit; Conflict when the state does not permit it."""
        ...

    async def note(self, number: str, by: Agent, text: str, at: datetime) -> None:
        """Append a private note."""
        ...


PRIORITY_RANK: dict[str, int] = {Priority.URGENT: 0, Priority.HIGH: 1, Priority.NORMAL: 2}
"""Order in which priorities are shown; anything else comes last."""
