"""What people send beside words: pictures, voice, films and files, kept once by what they hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import NewType, Protocol, runtime_checkable

from bot.domain.ids import ConversationId, CustomerId
from bot.domain.messages import Attachment, MessageKind, Sender
from bot.domain.people import Agent

MediaId = NewType("MediaId", str)

_MB = 1024 * 1024
_ID_CHARS = 32
_CONTENT = re.compile(r"[0-9a-f]{64}")
UPLOADED = "uploaded"
"""Begins the reference of what came to us by our own pages: ``uploaded:<content>:<size>``."""


class MediaState(StrEnum):
    """Where an attachment is."""

    WAITING = "waiting"
    STORED = "stored"
    FAILED = "failed"
    REFUSED = "refused"
    ERASED = "erased"


@dataclass(frozen=True, slots=True)
class MediaFile:
    """An attachment as it is kept; ``content`` is the SHA-256 of its bytes, ``mime`` what they really are.

    ``size`` in bytes. ``reason`` says why it is not there.
    """

    id: MediaId
    conversation_id: ConversationId
    channel: str
    account: str
    attachment: Attachment
    state: MediaState
    content: str = ""
    mime: str = ""
    size: int = 0
    tries: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Holding:
    """How much is kept of a customer: attachments not erased, the conversations they came in, bytes."""

    files: int = 0
    conversations: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class Erasure:
    """The decision of a person to erase a customer's attachments, with the reason for the record."""

    customer_id: CustomerId
    by: Agent
    reason: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Erased:
    """What an erasure did: how many attachments, in which conversations, and the contents nobody needs any more."""

    files: int
    conversations: tuple[ConversationId, ...]
    contents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """What is taken: the largest size a kind, in bytes, and the types by what the bytes show."""

    largest: Mapping[MessageKind, int] = field(
        default_factory=lambda: {
            MessageKind.IMAGE: 10 * _MB,
            MessageKind.STICKER: 10 * _MB,
            MessageKind.VOICE: 20 * _MB,
            MessageKind.VIDEO: 50 * _MB,
            MessageKind.FILE: 20 * _MB,
        }
    )
    types: frozenset[str] = frozenset()

    def largest_of(self, kind: MessageKind) -> int:
        """Give the largest size of a kind, in bytes."""
        return self.largest.get(kind, self.largest[MessageKind.FILE])

    def takes(self, mime: str) -> bool:
        """Tell whether bytes of this type are kept."""
        return mime in self.types


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes on the shelf: the SHA-256 of them, what they are, and how many."""

    content: str
    mime: str
    size: int


class KeepMedia(Protocol):
    """Puts bytes on the shelf after looking at what they are."""

    async def keep(self, chunks: AsyncIterator[bytes], kind: MessageKind | None = None) -> Kept:
        """Keep a stream; MediaRefused when its type or size is not taken. ``kind`` as it was said to be."""
        ...


@dataclass(frozen=True, slots=True)
class OutgoingFile:
    """A file about to be sent: its name with an ending, its real type, its bytes."""

    name: str
    mime: str
    data: bytes = field(repr=False)


ReadFile = Callable[[Attachment], Awaitable[OutgoingFile]]
"""Gives what an attachment of ours refers to; NotFound when it is no longer there."""


@runtime_checkable
class SendsFiles(Protocol):
    """An adapter that sends files; ``files`` is set by the wiring."""

    files: ReadFile | None


@dataclass(frozen=True, slots=True)
class PublicFile:
    """A picture about to be sent by its public https address: its real type, its size in bytes."""

    address: str
    mime: str
    size: int


ShowFile = Callable[[Attachment], Awaitable[PublicFile]]
"""Gives an attachment of an agent an address that ends; NotFound when it is no longer there."""


@runtime_checkable
class ShowsFiles(Protocol):
    """An adapter whose platform fetches pictures itself; ``shown`` is set by the wiring where the house is public."""

    shown: ShowFile | None


class MediaFault(Exception):
    """An attachment could not be had; ``lasting`` when another try cannot help, ``after_s`` when to try again."""

    def __init__(self, reason: str, *, lasting: bool = False, after_s: float = 0.0) -> None:
        """Keep why."""
        super().__init__(reason)
        self.reason = reason
        self.lasting = lasting
        self.after_s = after_s


class MediaRefused(MediaFault):
    """An attachment is not taken: its size, its type, or where it lies."""

    def __init__(self, reason: str) -> None:
        """Keep why."""
        super().__init__(reason, lasting=True)


@runtime_checkable
class MediaSource(Protocol):
    """The part of a channel's adapter that gives attachments out; optional."""

    def download(
        self, account: str, attachment: Attachment, most_bytes: int
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open an attachment as a stream of its bytes; MediaFault when there is none."""
        ...


class MediaShelf(Protocol):
    """Where the bytes lie, each content once."""

    async def put(self, chunks: AsyncIterator[bytes]) -> str:
        """Keep all of a stream or nothing; give its SHA-256 in hexadecimal."""
        ...

    def read(self, content: str, start: int = 0) -> AsyncIterator[bytes]:
        """Stream a content's bytes from ``start``; NotFound when it is not there."""
        ...

    async def drop(self, content: str, before: datetime | None = None) -> None:
        """Forget a content, or leave it when it came again since ``before``; nothing happens when it is not there."""
        ...

    async def touch(self, content: str) -> bool:
        """Note that a content is needed now, so that no drop of before takes it; False when it is not there (any more).

        Who puts a content on record touches it afterwards: between the two, somebody else's erasure may have taken it.
        """
        ...

    async def kept_before(self, moment: datetime) -> tuple[str, ...]:
        """List the contents that last came before a moment."""
        ...


class MediaRecord(Protocol):
    """What is known of every attachment."""

    async def get(self, media_id: MediaId) -> MediaFile:
        """Find one; NotFound when there is none."""
        ...

    async def of_conversation(self, conversation_id: ConversationId) -> Mapping[MediaId, MediaFile]:
        """List a conversation's."""
        ...

    async def of_shopper(self, sender: Sender, media_id: MediaId) -> MediaFile:
        """Find a stored attachment of this shopper's own conversations; NotFound otherwise."""
        ...

    async def sent_by_agent(self, media_id: MediaId) -> MediaFile:
        """Find a stored attachment that an agent has sent; NotFound otherwise, for shoppers' always."""
        ...

    async def claim(self, at: datetime, lease_s: float, most: int) -> tuple[MediaFile, ...]:
        """Take what is due to be fetched; nobody else is given it for ``lease_s`` seconds. Counts a try."""
        ...

    async def stored(self, media_id: MediaId, content: str, mime: str, size: int) -> None:
        """Record that it is kept."""
        ...

    async def wait(self, media_id: MediaId, due_at: datetime, reason: str) -> None:
        """Fetch it at ``due_at``, whatever was kept of it."""
        ...

    async def give_up(self, media_id: MediaId, state: MediaState, reason: str) -> None:
        """Record that it will not come by itself any more."""
        ...

    async def retry(self, media_id: MediaId, at: datetime) -> bool:
        """Ask for it again from the start; False unless it had failed."""
        ...

    async def add(self, file: MediaFile, at: datetime) -> None:
        """Record something that is kept already (an upload)."""
        ...

    async def withdraw(self, media_id: MediaId) -> None:
        """Forget an upload of an agent unless a message of an agent has it; its bytes go when they are tidied away."""
        ...

    async def holding(self, customer_id: CustomerId) -> Holding:
        """Count what is kept of a customer."""
        ...

    async def forget_customer(self, erasure: Erasure) -> Erased:
        """Erase all attachments of a customer, and what else is on record of them; say so in their conversations.

        That there was an attachment stays on record; what it was called and where its platform has it does not.
        """
        ...

    async def unneeded(self, contents: Sequence[str]) -> tuple[str, ...]:
        """Tell which of these contents no attachment has any more."""
        ...


def uploaded_reference(content: str, size: int) -> str:
    """Refer to something that is on the shelf already."""
    return f"{UPLOADED}:{content}:{size}"


def read_uploaded(reference: str) -> tuple[str, int] | None:
    """Read (content, size) of such a reference; None when it is a platform's own."""
    begins, _, rest = reference.partition(":")
    content, _, size = rest.partition(":")
    if begins != UPLOADED or not _CONTENT.fullmatch(content) or not size.isascii() or not size.isdigit():
        return None
    return content, int(size)


def media_id(conversation_id: ConversationId, dedupe_key: str, position: int) -> MediaId:
    """Name a message's attachment: the same whenever it is asked; ``position`` counts from 0."""
    named = f"{conversation_id}\n{dedupe_key}\n{position}"
    return MediaId(hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:_ID_CHARS])
