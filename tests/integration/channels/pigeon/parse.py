"""A pigeon's note -> InboundMessage (pure)."""

from __future__ import annotations

from bot.channels.reading import Content, inbound, moment, pressed, read_object, text_of
from bot.domain.errors import BadPayload
from bot.domain.messages import InboundMessage, MessageKind, Sender

CHANNEL = "pigeon"


def parse_note(body: bytes, account: str) -> InboundMessage:
    """Read a verified note; BadPayload when it names no bird, no loft or no time."""
    note = read_object(body, "Pigeon Post")
    ring, loft, at = text_of(note, "ring"), text_of(note, "loft"), moment(note, "at")
    if not ring or not loft or at is None:
        raise BadPayload("the note has no ring, no loft or no time; write what the pigeon post describes")
    key = text_of(note, "key")
    words = text_of(note, "words")
    content = pressed(words, key) if key else Content(MessageKind.TEXT, words)
    return inbound(Sender(CHANNEL, account, loft), ring, at, content, ring)
