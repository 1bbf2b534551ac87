"""The channels' ports: what an adapter can do, what became of a sending, what a shopper's own page may see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import Accepted
from bot.domain.messages import Button, InboundMessage, OutboundMessage, Sender


@dataclass(frozen=True, slots=True)
class Sent:
    """The platform took the message; ``platform_id`` is its id there."""

    platform_id: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: try again after ``after_s`` seconds."""

    after_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: the platform's window, quota or the customer's block forbids it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work; ``retryable`` tells whether another try makes sense."""

    reason: str
    retryable: bool


Delivery = Sent | Deferred | Refused | Failed


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can show: limits in ``text_unit`` (``chars``, ``utf16`` or ``bytes``)."""

    max_text: int
    text_unit: str = "chars"
    max_buttons: int = 0
    images: bool = False


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom to send to."""

    account: str
    channel_user_id: str
    conversation_id: ConversationId


class ChannelAdapter(Protocol):
    """A platform's code: what it can do and how to send. Receiving is its webhook router."""

    name: str
    capabilities: Capabilities

    async def send(self, to: Addressee, message: OutboundMessage, outbox_id: OutboxId) -> Delivery:
        """Hand one message to the platform; never raises for what the platform answers."""
        ...


@dataclass(frozen=True, slots=True)
class StreamItem:
    """One message as the shopper may see it; ``sender`` is ``customer``, ``bot``, ``agent`` or ``notice``.

    ``seq`` is the event's number: it only grows within an identity, so it serves as Last-Event-ID.
    ``client_key`` is the dedupe key of the shopper's own message, else empty.
    """

    seq: int
    at: datetime
    sender: str
    text: str
    buttons: tuple[Button, ...] = ()
    agent_name: str = ""
    client_key: str = ""


class ShopperStream(Protocol):
    """What one identity may see of its conversations: its own messages and what was sent to it."""

    async def since(self, sender: Sender, after_seq: int, limit: int) -> tuple[StreamItem, ...]:
        """List items after ``after_seq``, oldest first; only sent outbox rows are seen."""
        ...

    async def latest(self, sender: Sender, limit: int) -> tuple[StreamItem, ...]:
        """List the newest ``limit`` items, oldest first."""
        ...


OnMessages = Callable[[Sequence[InboundMessage]], Awaitable[tuple[Accepted, ...]]]
"""What a channel calls with the messages it has verified and parsed; returns once they are committed."""
