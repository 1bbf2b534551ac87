"""Make a shopper's words safe to keep: no control characters, no broken Unicode, bounded length."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bot.domain.messages import MAX_TEXT_CHARS, OutboundMessage

# C0 and C1 controls but tab and newline, lone surrogates, byte-order mark, and the marks that reverse what a reader
# sees (bidi embeddings, overrides, isolates). Zero-width joiners stay: emoji and Indic scripts need them.
_UNWANTED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff\u202a-\u202e\u2066-\u2069]")
_LINE_BREAKS = re.compile("\r\n?|\u2028|\u2029|\x85")
_INVISIBLE = re.compile("[\\s\u200b-\u200f\u2060\u00ad\u3164\u115f\u1160]+")


@dataclass(frozen=True, slots=True)
class CleanText:
    """Words that may be kept; ``truncated`` when the rest was cut."""

    text: str
    truncated: bool = False


def clean_text(raw: str, max_chars: int = MAX_TEXT_CHARS) -> CleanText:
    """Drop what cannot be shown, unify line breaks, trim, and keep ``max_chars``; nothing visible left gives ``""``."""
    text = _UNWANTED.sub("", _LINE_BREAKS.sub("\n", raw)).strip()
    if not _INVISIBLE.sub("", text):
        return CleanText("")
    return CleanText(text[:max_chars], truncated=len(text) > max_chars)


def clean_message(message: OutboundMessage) -> OutboundMessage:
    """Drop what cannot be shown from an outbound message's text and labels (of one line each); nothing is cut."""
    buttons = tuple(
        replace(each, label=" ".join(clean_text(each.label, len(each.label)).text.split())) for each in message.buttons
    )
    return replace(message, text=clean_text(message.text, len(message.text)).text, buttons=buttons)
