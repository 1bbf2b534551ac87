"""A thread with a customer and who owns it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.domain.events import Event
from bot.domain.ids import AgentId, ConversationId, CustomerId, IdentityId


class Owner(StrEnum):
    """Who answers: the bot, nobody yet, one agent, or it is over."""

    WITH_BOT = "with_bot"
    WAITING_FOR_AGENT = "waiting_for_agent"
    WITH_AGENT = "with_agent"
    RESOLVED = "resolved"


ALLOWED_CHANGES: dict[Owner, frozenset[Owner]] = {
    Owner.WITH_BOT: frozenset({Owner.WAITING_FOR_AGENT, Owner.WITH_AGENT, Owner.RESOLVED}),
    Owner.WAITING_FOR_AGENT: frozenset({Owner.WITH_AGENT, Owner.WITH_BOT, Owner.RESOLVED}),
    Owner.WITH_AGENT: frozenset({Owner.WITH_AGENT, Owner.WITH_BOT, Owner.WAITING_FOR_AGENT, Owner.RESOLVED}),
    Owner.RESOLVED: frozenset(),
}
"""Changes of owner that are possible; a resolved conversation never changes, a new message opens another."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """A thread with a customer; ``epoch`` grows at every change of owner, and of who the customer is."""

    id: ConversationId
    customer_id: CustomerId
    identity_id: IdentityId
    channel: str
    account: str
    channel_user_id: str
    owner: Owner
    epoch: int
    agent_id: AgentId | None
    locale: str
    opened_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CustomerThread:
    """One conversation of a customer with all its events; ``name`` is what its channel calls the customer."""

    conversation: Conversation
    name: str
    events: tuple[tuple[int, datetime, Event], ...]
