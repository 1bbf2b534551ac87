"""The channels' ports: what an adapter can do, what became of a sending, what a shopper's own page may see."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from bot.domain.ids import ConversationId, OutboxId
from bot.domain.line_ports import Accepted, Cursor
from bot.domain.messages import Attachment, Button, InboundMessage, OutboundMessage, Sender


@dataclass(frozen=True, slots=True)
class Sent:
    """The platform took the message; ``platform_id`` is its id there, ``messages`` how many it counted."""

    platform_id: str = ""
    messages: int = 1


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: try again after ``after_s`` seconds."""

    after_s: float
    reason: str


class Refusal(StrEnum):
    """Why a message was not delivered."""

    WINDOW = "window"
    QUOTA = "quota"
    KEPT = "kept"
    BLOCKED = "blocked"
    HUMAN_ONLY = "human_only"
    TEMPLATE = "template"
    FAILED = "failed"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Refused:
    """Never: the platform's window, quota or the customer's block forbids it."""

    reason: str
    kind: Refusal = Refusal.OTHER


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work; ``retryable`` tells whether another try makes sense."""

    reason: str
    retryable: bool


@dataclass(frozen=True, slots=True)
class Unclear:
    """The connection was lost after the message was sent off: it may or may not have arrived."""

    reason: str


Delivery = Sent | Deferred | Refused | Failed | Unclear


@dataclass(frozen=True, slots=True)
class SendPolicy:
    """How a channel may be sent to.

    ``repeats_safely``: the platform recognises a repeat, or the record itself is the delivery; otherwise a message
    whose outcome is not known is flagged instead of sent again. ``per_second`` counts over the whole account,
    ``chat_per_second`` in one conversation, where ``chat_burst`` messages may go at once; 0: no limit.
    """

    repeats_safely: bool = False
    per_second: float = 0.0
    chat_per_second: float = 0.0
    chat_burst: int = 1


@dataclass(frozen=True, slots=True)
class HearPolicy:
    """How a platform wants its webhook answered: within ``ack_s`` seconds, or it calls again; None: it does not say.

    ``inline_s``: so long an answer may also go out in the response itself; 0: it may not.
    """

    ack_s: float | None = None
    inline_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can show: limits in ``text_unit`` (``chars``, ``utf16`` or ``bytes``).

    ``max_buttons`` choices can be pressed, of which more than ``listed_from`` are shown as a list (0: there are no
    lists). ``images``: it takes pictures from us; ``files``: other files too; ``cards``: a title with text and buttons
    in one. ``typing``: the shopper can be shown that somebody writes; ``receipts``: it tells what was delivered or
    read; ``edits``: it tells when the shopper changes what he wrote.
    """

    max_text: int
    text_unit: str = "chars"
    max_buttons: int = 0
    listed_from: int = 0
    images: bool = False
    files: bool = False
    cards: bool = False
    typing: bool = False
    receipts: bool = False
    edits: bool = False
    sending: SendPolicy = SendPolicy()
    hearing: HearPolicy = HearPolicy()


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom to send to; ``sender`` is who speaks: ``bot``, ``agent`` or ``notice`` (some platforms let humans more)."""

    account: str
    channel_user_id: str
    conversation_id: ConversationId
    sender: str = ""


class SendLimiter(Protocol):
    """Spreads what is sent over time, as a channel's SendPolicy asks."""

    async def wait_s(self, channel: str, to: Addressee, policy: SendPolicy) -> float:
        """Give the seconds until this conversation's next message may go (its place is kept); 0: now, and counted."""
        ...


class PartsTaken(Protocol):
    """Which parts of a message the platform has taken, so that a repeat goes on behind them."""

    def needed(self, message: OutboundMessage) -> int:
        """Tell how many parts a message makes; 1 where that is nobody's business, since nothing is counted."""
        ...

    def count(self, outbox_id: OutboxId) -> int:
        """Tell how many parts were taken; 0 when the message is whole or was never tried."""
        ...

    def resume(self, outbox_id: OutboxId, taken: int) -> None:
        """Go on behind ``taken`` parts that are on record."""
        ...

    def ids(self, outbox_id: OutboxId) -> Mapping[int, str]:
        """Give the platform's ids of the parts sent here, by number from 0; also when the message is whole."""
        ...


@runtime_checkable
class SendsInParts(Protocol):
    """What a channel has besides when it sends a long message in several parts; None: it never does."""

    @property
    def parts(self) -> PartsTaken | None:
        """Give the count of parts."""
        ...


@runtime_checkable
class ShowsTyping(Protocol):
    """What a channel has besides when a shopper can see that an answer is being made; optional."""

    async def show_typing(self, to: Addressee, answering: str) -> None:
        """Show it, for a few seconds or until a message comes; it is no message and counts in no window.

        ``answering`` is the platform's id of the shopper's last message (``""``: not known). Whoever asks takes no
        notice of what it raises.
        """
        ...


@runtime_checkable
class AnswersCalls(Protocol):
    """What a channel has besides when it also answers in the response of its platform's calls; optional."""

    async def is_alone(self) -> bool:
        """Tell whether that is its only way to answer, as far as any process knows: other words wait for a call."""
        ...


class TypingBoard(Protocol):
    """Lets shoppers see on their platforms that somebody is writing."""

    def shows(self, channel: str) -> bool:
        """Tell whether a channel can show it."""
        ...

    def show(self, channel: str, to: Addressee, answering: str) -> None:
        """Show it once, in the background; ``answering`` as in ``ShowsTyping``. Never raises."""
        ...


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
    ``client_key`` is the dedupe key of the shopper's own message, else empty. Attachments refer to our media ids.
    """

    seq: int
    at: datetime
    sender: str
    text: str
    buttons: tuple[Button, ...] = ()
    agent_name: str = ""
    client_key: str = ""
    attachments: tuple[Attachment, ...] = ()


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


class OnPulled(Protocol):
    """What a channel that pulls calls: messages and cursor are committed together."""

    async def accept(self, messages: Sequence[InboundMessage], cursor: Cursor) -> tuple[Accepted, ...]:
        """Commit the messages and how far the platform has been read; returns once they are committed."""
        ...

    async def position(self, cursor: Cursor) -> str:
        """Tell how far the platform has been read; empty when it never was."""
        ...
