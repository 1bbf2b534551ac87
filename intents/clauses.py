"""The clauses of a message: what is asked, what is denied, and whether two things are asked at once."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MAX_CLAUSES = 4
_MIN_HAN = 3
_MIN_WORDS = 2
_BORDER = re.compile(
    r"[,，。.!！?？;；、\n]+\s*|"
    r"\s(?=(?:also|and also|plus|but|by the way|btw|another thing|instead of|rather than|not (?:a|an|the|my|for)|"
    r"and (?:can|could|how|what|where|when|i|please|is|do|my))\b)|"
    r"(?=另外|还有(?:就是)?|顺便|并且|同时|对了|再帮我|以及|然后|但是|而不是|(?<![是要])不是(?![吗么]))"
)
_LINK = re.compile(
    r"^(?:另外|还有(?:就是)?|顺便(?:问一?下)?|并且|同时|对了|以及|然后|但是|而且|also|and also|and|plus|but|"
    r"by the way|"
    r"btw|another thing)[\s,，:：]*"
)
_DENIAL = re.compile(
    r"(?:我|咱)?(?:也|又|都|可|真|并|现在)?(?:不是|没有?(?:说|要|让)|不想|不要|不用|不需要|不打算|别给我|别|"
    r"而不是|无需|不必)|"
    r"(?:no[, ]+)?(?:(?:i|we|it|this|that)(?:'m| am| was|'s| is)? )?"
    r"(?:not (?:a|an|the|my|for|about|asking|ask|looking|trying|want\w*|after|interested|return\w*|cancel\w*|to|"
    r"going)|"
    r"(?:do not|don'?t|dont|didn'?t|did not|never|no longer) (?:want|need|ask\w*|say|said|mean|wish|plan|cancel|"
    r"return|refund))|"
    r"instead of|rather than"
)
_HAN = re.compile(r"[㐀-鿿]")
_WORD = re.compile(r"[a-z']+")


@dataclass(frozen=True, slots=True)
class Clause:
    """A part of a message that means something by itself; ``denied`` when it says what is not wanted."""

    text: str
    denied: bool


def split_clauses(words: str) -> tuple[Clause, ...]:
    """Cut bare words into clauses long enough to mean something; none when there is nothing to cut."""
    found: list[Clause] = []
    for raw in _BORDER.split(words):
        text = _LINK.sub("", (raw or "").strip())
        if _weighs(text):
            found.append(Clause(text, _DENIAL.match(text) is not None))
    return tuple(found[:_MAX_CLAUSES]) if len(found) > 1 else ()


def _weighs(clause: str) -> bool:
    return len(_HAN.findall(clause)) >= _MIN_HAN or len(_WORD.findall(clause)) >= _MIN_WORDS


def what_is_kept(clauses: tuple[Clause, ...]) -> str:
    """Join the clauses that are not denied; ``""`` when none or all of them are."""
    kept = [clause.text for clause in clauses if not clause.denied]
    return ", ".join(kept) if 0 < len(kept) < len(clauses) else ""
