"""The clauses of a message: what is asked, what is denied, and whether two things are asked at once."""

from __future__ import annotations

import re

_MAX_CLAUSES = 4
_MIN_HAN = 3
_MIN_WORDS = 2
_BORDER = re.compile(
    r"[,，。.!！?？;；、\n]+\s*|\s(?=(?:also|and also|plus|but|by the way|btw|another thing|and (?:can|could|"
    r"how|what|where|when|i|please|is|do|my)\b))|"
    r"(?=另外|还有(?:就是)?|顺便|并且|同时|对了|再帮我|以及|然后|但是)"
)
_LINK = re.compile(
    r"^(?:另外|还有(?:就是)?|顺便(?:问一?下)?|并且|同时|对了|以及|然后|但是|而且|also|and also|and|plus|but|"
    r"by the way|btw|another thing)[\s,，:：]*"
)
_HAN = re.compile(r"[㐀-鿿]")
_WORD = re.compile(r"[a-z']+")


def split_clauses(words: str) -> tuple[str, ...]:
    """Cut bare words into clauses long enough to mean something; one clause when there is nothing to cut."""
    found: list[str] = []
    for raw in _BORDER.split(words):
        clause = _LINK.sub("", (raw or "").strip())
        if _weighs(clause):
            found.append(clause)
    return tuple(found[:_MAX_CLAUSES]) if len(found) > 1 else ()


def _weighs(clause: str) -> bool:
    return len(_HAN.findall(clause)) >= _MIN_HAN or len(_WORD.findall(clause)) >= _MIN_WORDS
