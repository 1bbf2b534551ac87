"""A Turn goes into a handler, an Outcome comes out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bot.domain.conversation import Conversation
from bot.domain.customers import Customer
from bot.domain.events import Event
from bot.domain.handoff import Handoff, HandoffReason
from bot.domain.messages import InboundMessage
from bot.domain.replies import Locale, Reply
from bot.domain.tickets import TicketDraft, TicketState
from bot.domain.tracker import Tracker
from bot.domain.understanding import Recognition


@dataclass(frozen=True, slots=True)
class Turn:
    """One or more inbound messages of one conversation handled together.

    ``intent`` is the one being handled; ``slots`` are a submitted form's values (empty otherwise); ``now`` aware UTC.
    ``handoff_reason`` is set when the engine itself runs ``request_human`` (anger, repeated failure, danger).
    ``message`` is the last inbound message, ``messages`` all of them in order.
    """

    conversation: Conversation
    customer: Customer
    tracker: Tracker
    messages: tuple[InboundMessage, ...]
    recognition: Recognition
    locale: Locale
    now: datetime
    intent: str = ""
    handoff_reason: HandoffReason | None = None
    slots: Mapping[str, Any] = field(default_factory=dict)

    @property
    def message(self) -> InboundMessage:
        """Give the last message of the turn."""
        return self.messages[-1]

    @property
    def text(self) -> str:
        """Give the turn's words, one line a message."""
        return "\n".join(message.text for message in self.messages if message.text)

    @property
    def network(self) -> str:
        """Tell from which network address the turn came, as its last message with one does; empty: not known."""
        return next((message.network for message in reversed(self.messages) if message.network), "")


@dataclass(frozen=True, slots=True)
class ProofAttempt:
    """A try to prove an order, kept so that wrong tries slow down and lock across conversations."""

    order_number: str
    right: bool


@dataclass(frozen=True, slots=True)
class TicketMove:
    """Change the state of one of the customer's own tickets with the turn's commit."""

    number: str
    to: TicketState
    note: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a handler wants said and done; everything here commits at once with the turn.

    ``start_form`` opens that form (the engine asks the first open question after the replies), with
    ``form_slots`` already known. ``resolve`` ends the conversation after the replies.
    """

    replies: tuple[Reply, ...] = ()
    events: tuple[Event, ...] = ()
    tickets: tuple[TicketDraft, ...] = ()
    ticket_moves: tuple[TicketMove, ...] = ()
    handoff: Handoff | None = None
    proof_attempts: tuple[ProofAttempt, ...] = ()
    messages_allowed: bool | None = None
    start_form: str = ""
    form_slots: Mapping[str, Any] = field(default_factory=dict)
    resolve: bool = False
