"""A complaint or request with a life of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.handoff import Priority
from bot.domain.ids import AgentId, ConversationId, CustomerId, TicketId


class TicketKind(StrEnum):
    """What is wanted."""

    COMPLAINT = "complaint"
    RETURN = "return"
    EXCHANGE = "exchange"
    REFUND = "refund"
    CANCEL = "cancel"
    CHANGE_ORDER = "change_order"
    CHANGE_ADDRESS = "change_address"
    SHIPPING = "shipping"
    INVOICE = "invoice"
    PAYMENT = "payment"
    PRIVACY = "privacy"
    SUGGESTION = "suggestion"
    CALLBACK = "callback"


class TicketState(StrEnum):
    """Where a ticket is in its life."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    WAITING_FOR_CUSTOMER = "waiting_for_customer"
    SOLVED = "solved"
    CLOSED = "closed"


ALLOWED_STATES: dict[TicketState, frozenset[TicketState]] = {
    TicketState.OPEN: frozenset({TicketState.IN_PROGRESS, TicketState.WAITING_FOR_CUSTOMER, TicketState.SOLVED}),
    TicketState.IN_PROGRESS: frozenset({TicketState.OPEN, TicketState.WAITING_FOR_CUSTOMER, TicketState.SOLVED}),
    TicketState.WAITING_FOR_CUSTOMER: frozenset({TicketState.IN_PROGRESS, TicketState.SOLVED, TicketState.CLOSED}),
    TicketState.SOLVED: frozenset({TicketState.OPEN, TicketState.IN_PROGRESS, TicketState.CLOSED}),
    TicketState.CLOSED: frozenset({TicketState.OPEN}),
}
"""Changes of state that are possible; closed reopens when the customer says it is not solved."""

PROMISED_WITHIN: dict[Priority, timedelta] = {
    Priority.NORMAL: timedelta(hours=24),
    Priority.HIGH: timedelta(hours=8),
    Priority.URGENT: timedelta(hours=2),
}
"""By when the customer is promised the next word on a ticket."""


@dataclass(frozen=True, slots=True)
class TicketDraft:
    """A ticket about to be opened with the turn's commit; ``number`` is what the shopper quotes.

    ``due_at`` is the time the shopper was promised (None: by the priority's PROMISED_WITHIN).
    """

    number: str
    kind: TicketKind
    summary: str
    priority: Priority = Priority.NORMAL
    category: str = ""
    order_number: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    photos: tuple[str, ...] = ()
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as it stands; ``due_at`` is the next promised time (aware UTC)."""

    id: TicketId
    number: str
    customer_id: CustomerId
    conversation_id: ConversationId
    kind: TicketKind
    state: TicketState
    priority: Priority
    category: str
    order_number: str
    summary: str
    details: Mapping[str, Any]
    photos: tuple[str, ...]
    owner_id: AgentId | None
    created_at: datetime
    updated_at: datetime
    due_at: datetime
