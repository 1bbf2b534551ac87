"""What became of a message after the platform took it; receipts come late, twice and out of order. Pure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ReceiptState(StrEnum):
    """How far a message has come, in this order; ``failed`` only counts while it was not delivered."""

    SENT = "sent"
    FAILED = "failed"
    DELIVERED = "delivered"
    READ = "read"


_RANKS = {state: rank for rank, state in enumerate(ReceiptState)}


@dataclass(frozen=True, slots=True)
class Receipt:
    """One receipt: of the message ``platform_id``, or of everything sent to ``channel_user_id`` until ``up_to``.

    ``ours`` is the outbox row that we named when we sent the message, where the platform gives such a name back: by it
    a message is known whose sending was cut off before its id was told.
    """

    channel: str
    account: str
    state: ReceiptState
    at: datetime
    channel_user_id: str = ""
    platform_id: str = ""
    up_to: datetime | None = None
    reason: str = ""
    ours: str = ""


def further(before: ReceiptState | None, now: ReceiptState) -> ReceiptState:
    """Give the state after another receipt: it never goes back, whatever order receipts come in."""
    if before is None or _RANKS[now] > _RANKS[before]:
        return now
    return before


OnReceipts = Callable[[Sequence[Receipt]], Awaitable[None]]
"""What a channel calls with receipts it has verified and parsed."""
