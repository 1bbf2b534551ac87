"""Answers within a webhook's own response: which of the outbox goes there, decided once and kept over a restart."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.ids import ConversationId
from bot.domain.messages import OutboundMessage


@dataclass(frozen=True, slots=True)
class ExchangeKey:
    """One message of a customer, as the inbox tells it apart; the platform's repeats are calls of one exchange."""

    channel: str
    account: str
    dedupe_key: str


@dataclass(frozen=True, slots=True)
class Composed:
    """What fits into one response: ``text`` holds the first ``taken`` messages whole.

    ``rest`` is what remains of the message after those when only its beginning fits.
    """

    text: str
    taken: int
    rest: OutboundMessage | None = None


Compose = Callable[[Sequence[OutboundMessage]], Composed | None]
"""Puts waiting messages into one response; None when they had better be sent by themselves."""

Rejoin = Callable[[str, OutboundMessage], OutboundMessage]
"""Puts the beginning that was an answer before the rest of its message again."""


@dataclass(frozen=True, slots=True)
class Look:
    """How an exchange stands: an ``answer`` to write, or nothing.

    ``waiting`` while the turn is not done yet; ``superseded`` when the platform has called again since.
    """

    answer: str = ""
    waiting: bool = False
    superseded: bool = False


class Exchanges(Protocol):
    """The exchanges on record; what an open one may answer is sent by nobody else."""

    async def begin(self, key: ExchangeKey, conversation_id: ConversationId, at: datetime, until: datetime) -> int:
        """Open the exchange, or join it, until ``until``; return the number of this call, from 1."""
        ...

    async def look(self, key: ExchangeKey, call: int, compose: Compose, *, hurry: bool = False) -> Look:
        """Decide the answer once the turn is done (in a ``hurry``: of what there is), the same for every later call.

        An earlier call than the last gets no answer.
        """
        ...

    async def unanswered(self, keys: Collection[ExchangeKey]) -> frozenset[ExchangeKey]:
        """Tell which of these messages, all of one account, no turn has taken yet."""
        ...

    async def written(self, key: ExchangeKey, at: datetime) -> None:
        """Record that the answer was written to the response: its messages are sent, the exchange is over."""
        ...

    async def take_back(self, key: ExchangeKey, call: int, rejoin: Rejoin) -> bool:
        """Undo the decision of an answer that nobody heard: its messages wait again.

        False when there is nothing to undo, or a later call has the exchange.
        """
        ...

    async def end(self, key: ExchangeKey, at: datetime) -> None:
        """End the exchange; what waits may be sent by other ways."""
        ...
