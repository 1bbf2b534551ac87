"""The clauses of a message: what is asked, what is denied, and whether two things are asked at once."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MAX_CLAUSES = 4
_MIN_HAN = 3
_MIN_HAN_DENIED = 2
_MIN_WORDS = 2
_BORDER = re.compile(
    r"[,，。.!！?？;；、\n]+\s*|"
    r"\s(?=(?:also|plus|but|by the way|btw|another thing|instead of|rather than|not (?:a|an|the|my|for)|"
    r"and [a-z']+ [a-z']+)\b)|"
    r"(?=另外|还有(?:就是)?|还想|还要|顺便|顺道|并且|同时|对了|再(?:帮|给|问|查|寄|开)|以及|然后|但是|而不是|"
    r"(?<![是要])不是(?![吗么]))"
)
_LINK = re.compile(
    r"^(?:另外|还有(?:就是)?|顺便(?:问一?下)?|顺道|并且|同时|对了|再(?=[帮给问查寄开])|以及|然后|但是|而且|"
    r"also|and also|and then|and|plus|but|by the way|btw|another thing)[\s,，:：]*"
)
_CHINESE_DENIAL = (
    r"(?:我|咱|订单|东西)?(?:也|又|都|可|真|并|现在|暂时|今天|先)*"
    r"(?:不是|没有?(?:说|要|让|打算|想)|不(?:想|要|用|需要|打算|取消|换|退|改|催|申请|注销|投诉)(?!.*[吗么])|别给我|别|"
    r"而不是|无需|不必|还[没不](?:买|下单|拍)|(?<=我)还没(?:退|换))|"
    r".{1,8}(?:就不必|就不用|就免|就算)了?$|(?!.*(?:吗|么|吧)$).{1,8}(?:没错|没问题|不用动|不用改|是对的|不变)$"
)
_ENGLISH_DENIAL = (
    r"(?:no[, ]+)?(?:(?:i|we|it|this|that)(?:'m| am| was|'s| is)? )?"
    r"(?:not (?:a|an|the|my|for|about|after|interested|to|going|(?:ask|look|try|want|return|cancel|order|delet|clos|"
    r"buy|exchang|chang|complain)\w*)|"
    r"(?:do not|don'?t|didn'?t|did not|haven'?t|have not|never|no longer) (?:want|need|ask\w*|say|said|mean|wish|plan|"
    r"cancel|return|refund|order|exchange|bought|buy)\w*)|"
    r"instead of|rather than|no need (?:to|for)|no (?:refund|exchange|return|replacement|cancell?ation)s?\b|"
    r"(?:the|my) [a-z ]{2,24} (?:is|are) (?:fine|right|correct|ok|okay|good)$"
)
_DENIAL = re.compile(f"{_CHINESE_DENIAL}|{_ENGLISH_DENIAL}")
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
        denied = _DENIAL.match(text) is not None
        if _weighs(text) or (denied and len(_HAN.findall(text)) >= _MIN_HAN_DENIED):
            found.append(Clause(text, denied))
    return tuple(found[:_MAX_CLAUSES]) if len(found) > 1 else ()


def _weighs(clause: str) -> bool:
    return len(_HAN.findall(clause)) >= _MIN_HAN or len(_WORD.findall(clause)) >= _MIN_WORDS


def what_is_kept(clauses: tuple[Clause, ...]) -> str:
    """Join the clauses that are not denied; ``""`` when none or all of them are."""
    kept = [clause.text for clause in clauses if not clause.denied]
    return ", ".join(kept) if 0 < len(kept) < len(clauses) else ""
