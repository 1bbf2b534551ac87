"""What a message looks like before its meaning is judged: language, script, entities, mood, and its bare words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from bot.domain.understanding import Entity, Expectation, Language, Script, Sentiment
from intents.entities import MASKED, find_entities
from intents.language import detect
from intents.normalising import Folded, fold, is_cjk, meaning
from intents.numbers import NumberShapes
from intents.sentiment import read_sentiment
from intents.spelling import write_out

_LAST_LATIN = "ɏ"
_WITH_ENGLISH = frozenset({Language.EN, Language.MIXED})
_LINK = re.compile(r"https?://\S+|www\.\S+")
_MASKS: dict[str, tuple[str, str]] = {
    "order_number": ("订单号", "order number"),
    "ticket_number": ("工单号", "ticket number"),
    "tracking_number": ("快递单号", "tracking number"),
    "phone": ("手机号", "phone number"),
    "email": ("邮箱", "email address"),
}
_NAMED_BEFORE = re.compile(
    r"(?:订单号|订单编号|单号|工单号|快递单号|运单号|手机号码?|电话|邮箱|号码|number|no\.?|order|ticket|"
    r"tracking|phone|email(?: address)?)"
    r"(?:是|为|is|:|：|#)*\s*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Reading:
    """A message with everything that can be told without a model.

    ``words`` is what the views are given: simplified, lower-case, numbers of any kind put as what they are.
    """

    words: str
    language: Language
    script: Script
    entities: tuple[Entity, ...]
    sentiment: Sentiment

    @property
    def is_foreign(self) -> bool:
        """Tell whether it is written in letters of neither language and names nothing we look up."""
        foreign = any(char.isalpha() and not is_cjk(char) and char > _LAST_LATIN for char in self.words)
        return foreign and self.language is Language.OTHER and not self.entities


def read(text: str, shapes: NumberShapes, today: date, expectation: Expectation | None = None) -> Reading:
    """Read a message; any text is fine."""
    folded = fold(text)
    language, script = detect(folded.text)
    entities = find_entities(folded, shapes, today, expectation or Expectation())
    chinese = language is Language.ZH or (language is Language.MIXED) or language is Language.OTHER
    plain = _mask(text, folded, entities, chinese)
    words = meaning(plain, chinese)
    if language in _WITH_ENGLISH:
        words = write_out(words)
    return Reading(words, language, script, entities, read_sentiment(folded.simplified))


def _mask(text: str, folded: Folded, entities: tuple[Entity, ...], chinese: bool) -> str:
    hidden = [entity for entity in entities if entity.name in MASKED]
    if not hidden and "http" not in folded.simplified and "www" not in folded.simplified:
        return folded.text
    pieces: list[str] = []
    end = 0
    for entity in hidden:
        pieces.append(text[end : entity.start])
        if not _NAMED_BEFORE.search(pieces[-1]):
            pieces.append(_MASKS[entity.name][0] if chinese else f" {_MASKS[entity.name][1]} ")
        end = entity.end
    pieces.append(text[end : len(text)])
    return _LINK.sub("链接" if chinese else " link ", fold("".join(pieces)).text)
