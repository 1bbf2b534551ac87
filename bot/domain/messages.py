"""Channel-neutral messages, in and out."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

MAX_TEXT_CHARS = 4000
"""What a shopper's message keeps, in characters; the rest is cut and marked ``truncated``."""


class MessageKind(StrEnum):
    """What an inbound message is."""

    TEXT = "text"
    BUTTON = "button"
    IMAGE = "image"
    VOICE = "voice"
    VIDEO = "video"
    FILE = "file"
    LOCATION = "location"
    STICKER = "sticker"
    FOLLOW = "follow"
    UNFOLLOW = "unfollow"
    EDIT = "edit"
    RECALL = "recall"
    REACTION = "reaction"
    UNKNOWN = "unknown"


REVISIONS = frozenset({MessageKind.EDIT, MessageKind.RECALL, MessageKind.REACTION})
"""Kinds that say nothing new but concern a message that was sent before."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A picture, voice note, film or file; ``reference`` is the channel's own id or our media id."""

    kind: MessageKind
    reference: str
    mime: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who wrote, as the channel knows him: (channel, account, channel user id) and what it tells of him.

    ``other_id`` is another id of his on the same channel: by whichever of them he was known first he stays known.
    """

    channel: str
    account: str
    channel_user_id: str
    display_name: str = ""
    locale_hint: str = ""
    other_id: str = ""


@dataclass(frozen=True, slots=True)
class InboundMessage:
    """One message from a shopper.

    ``dedupe_key`` is unique per (channel, account) and the same when the platform delivers again.
    ``payload`` is a pressed button's payload; ``sent_at`` is the platform's own time, aware UTC.
    ``reply_token`` is the short-lived code by which some platforms let one answer go out. ``sequence`` grows with
    every message of a conversation where the platform numbers them or tells their times (0: neither), so that a
    shuffled burst is read in the order it was written. ``platform_id`` is the platform's own id of the message, by
    which others refer to it;
    ``concerns`` is that id of the message an edit, recall or reaction is about, ``concerns_seq`` its event once known.
    A reaction's text is its emoji, empty when it was taken back. ``network`` tells apart from which network address it
    came, by a keyed hash, where the channel knows one; it is kept until the message is handled, and no longer.
    """

    sender: Sender
    dedupe_key: str
    kind: MessageKind
    sent_at: datetime
    text: str = ""
    payload: str = ""
    attachments: tuple[Attachment, ...] = ()
    truncated: bool = False
    reply_token: str = field(default="", repr=False)
    sequence: int = 0
    platform_id: str = ""
    concerns: str = ""
    concerns_seq: int = 0
    network: str = field(default="", repr=False)


def sequence_of(sent_at: datetime) -> int:
    """Number a message by its platform's own time, in milliseconds; equal ones keep the order of their arrival."""
    return int(sent_at.timestamp() * 1000)


@dataclass(frozen=True, slots=True)
class Button:
    """A choice offered to the shopper; ``payload`` comes back in an InboundMessage of kind BUTTON.

    Payloads: ``/intent_name`` runs that intent, ``/intent_name=entity:value`` as if its words held that entity,
    ``=value`` answers the open question,
    ``/affirm`` and ``/deny`` answer yes or no. At most 64 bytes (Telegram's limit).
    """

    label: str
    payload: str


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """A template the platform has approved, filled with ``values``; the message's text is what the shopper reads."""

    name: str
    language: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One message to a shopper, before the channel cuts it to its abilities.

    ``card``: the first line is its title, and it is shown as one thing with its buttons where a platform has cards;
    anywhere else it reads as it stands.
    """

    text: str
    buttons: tuple[Button, ...] = ()
    attachments: tuple[Attachment, ...] = field(default=())
    template: TemplateUse | None = None
    card: bool = False
