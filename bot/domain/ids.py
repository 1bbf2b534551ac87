"""Names for identifiers, so that one kind is never passed for another."""

from __future__ import annotations

import secrets
from typing import NewType

CustomerId = NewType("CustomerId", str)
IdentityId = NewType("IdentityId", str)
ConversationId = NewType("ConversationId", str)
TicketId = NewType("TicketId", str)
AgentId = NewType("AgentId", str)
EventSeq = NewType("EventSeq", int)
InboxId = NewType("InboxId", int)
OutboxId = NewType("OutboxId", int)

TICKET_PREFIX = "TK"
TICKET_DIGITS = 8
_ID_BYTES = 12


def new_id() -> str:
    """Make a random identifier of 24 hexadecimal characters."""
    return secrets.token_hex(_ID_BYTES)


def new_ticket_number() -> str:
    """Make a ticket number a shopper can quote: ``TK`` and eight digits, not guessable from another."""
    return f"{TICKET_PREFIX}{secrets.randbelow(9 * 10 ** (TICKET_DIGITS - 1)) + 10 ** (TICKET_DIGITS - 1)}"
