"""The person, one across channels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.domain.ids import CustomerId, IdentityId

SIMULATED = "sim-"
"""Begins the account of every simulated channel; nobody behind it is real."""


@dataclass(frozen=True, slots=True)
class ChannelIdentity:
    """(channel, account, channel user id) and the customer it belongs to."""

    id: IdentityId
    customer_id: CustomerId
    channel: str
    account: str
    channel_user_id: str
    display_name: str

    @property
    def is_simulated(self) -> bool:
        """Tell whether he came over a simulated channel."""
        return self.account.startswith(SIMULATED)


@dataclass(frozen=True, slots=True)
class Customer:
    """A person, with what he allowed us; ``messages_allowed`` is the contact policy for messages unasked."""

    id: CustomerId
    display_name: str
    messages_allowed: bool
    created_at: datetime
