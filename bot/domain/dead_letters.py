"""Messages that did not reach the shopper, or may not have: what a person decides about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.ids import ConversationId, OutboxId


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that nobody sends any more unless a person says so.

    ``state`` is ``refused`` (``refusal`` as ``Refusal``) or ``unclear`` (it may have arrived); ``sender`` is ``bot``,
    ``agent`` or ``notice``; ``failed_at`` is when it was given up. ``parts_taken`` parts of it, the first on, went out
    and are not sent again with it.
    """

    id: OutboxId
    conversation_id: ConversationId
    channel: str
    customer_name: str
    sender: str
    text: str
    state: str
    refusal: str
    reason: str
    tries: int
    created_at: datetime
    failed_at: datetime
    parts_taken: int = 0


@dataclass(frozen=True, slots=True)
class DeadLetterPage:
    """One page of dead letters and how many there are in all."""

    letters: tuple[DeadLetter, ...]
    total: int


class DeadLetters(Protocol):
    """The list of dead letters."""

    async def page(self, number: int = 1) -> DeadLetterPage:
        """List dead letters, newest first; PAGE_ROWS a page."""
        ...

    async def retry(self, item: OutboxId, at: datetime) -> ConversationId:
        """Send it after all, as soon as it may go.

        NotFound when there is no such message; Conflict when it is no dead letter, or when the bot said it before the
        conversation changed hands.
        """
        ...

    async def drop(self, item: OutboxId, at: datetime) -> ConversationId:
        """Let it go; NotFound and Conflict as for ``retry``."""
        ...
