"""Entities of a message: values normalised, spans in characters of the original."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from itertools import islice

from bot.domain.understanding import Entity, Expectation
from intents.amounts import find_amounts
from intents.categories import find_categories
from intents.dates import find_dates
from intents.normalising import Folded
from intents.numbers import NumberShapes, find_numbers
from intents.numerals import NUMBER, read_number
from intents.products import find_products

MASKED = ("order_number", "ticket_number", "tracking_number", "phone", "email")
"""Entities whose characters say nothing about the intent."""

_EMAIL = re.compile(r"[a-zA-Z0-9._%+\-]{1,64}@[a-zA-Z0-9\-]{1,63}(?:\.[a-zA-Z0-9\-]{1,63}){0,3}\.[a-zA-Z]{2,24}")
_SCORE = re.compile(
    rf"(?P<given>{NUMBER})\s?(?:/|out of|／)\s?(?P<full>10|5|100|ten|five)(?![\d/])|"
    rf"(?P<words>one|two|three|four|five|six|seven|eight|nine|ten) (?:/|out of) (?P<wordsfull>10|5|ten|five)|"
    rf"(?P<stars>[一二两三四五\d](?:\.\d)?|半|one|two|three|four|five|zero|零)[ -]?(?P<star>颗?星(?!期|座|球|"
    rf"级酒店)|stars?\b)|"
    rf"(?P<points>{NUMBER})\s?分(?!钟|期|之|店|类|开|别|享|批|销|子|成|手|付|配|两|三|几|多)|"
    rf"(?P<full2>满分)(?!是)|"
    rf"(?P<drawn>(?:⭐️?|🌟️?|★){{1,5}}(?!⭐|🌟|★))|"
    rf"\b(?:solid|full|perfect|easy|straight|honest|firm) (?P<straight>10|[1-9])\b(?! ?(?:%|/|out of|days?|hours?))"
)
_POINT_WORDS = re.compile(r"打|给|俾|畀|评|分|rate|score|满意|服务|我(?:给|打)")
_BARE_SCORE = re.compile(r"\s*(10|[0-9]|[零一二两三四五六七八九十])\s*[分星颗]?\s*[!！。.~]*\s*")
_BARE_CODE = re.compile(r"\s*#?[A-Za-z0-9][A-Za-z0-9 \-]{3,40}\s*")
_CODE_WITHIN = re.compile(r"(?<![A-Za-z0-9])#?[A-Za-z]{0,3}\d(?:[ -]?\d){3,19}(?![A-Za-z0-9])")
_ASKED_CODE_DIGITS = 4
_SHORT_ANSWER_CHARS = 40
_DATE_WORDS = re.compile(r"月|日|号|买|下单|收到|到货|\bon\b|since|order|bought|arriv|before|after|deliver")
_HIGHEST = 5
_DRAWN_STARS = "⭐🌟★"
_MOST = 12
"""Entities of one kind we read in a message; more is noise."""


def find_entities(folded: Folded, shapes: NumberShapes, today: date, expectation: Expectation) -> tuple[Entity, ...]:
    """Find the entities of a folded text, in order of their place; ``today`` is the shop's day."""
    found = [*_emails(folded)]
    taken = [(entity.start, entity.end) for entity in found]
    numbered = islice(find_numbers(folded, shapes, expectation.entity), _MOST)
    found.extend(entity for entity in numbered if not _overlaps(entity, taken))
    found.extend(_asked(folded, expectation.entity, found))
    numbers = [(entity.start, entity.end) for entity in found]
    for finder in (_scores(folded, expectation.entity), _dates(folded, today), _amounts(folded, expectation.entity)):
        for entity in finder:
            if not _overlaps(entity, numbers):
                numbers.append((entity.start, entity.end))
                found.append(entity)
    found.extend(_spanned(folded, "complaint_category", find_categories(folded.simplified)))
    found.extend(
        entity
        for entity in _spanned(folded, "product", find_products(folded.simplified))
        if not _overlaps(entity, numbers)
    )
    return tuple(sorted(found, key=lambda entity: (entity.name == "complaint_category", entity.start)))


def _overlaps(entity: Entity, taken: list[tuple[int, int]]) -> bool:
    return any(entity.start < end and start < entity.end for start, end in taken)


def _spanned(folded: Folded, name: str, found: Iterator[tuple[int, int, str]]) -> Iterator[Entity]:
    for start, end, value in islice(found, _MOST):
        yield Entity(name, value, *folded.span(start, end))


def _emails(folded: Folded) -> Iterator[Entity]:
    for found in islice(_EMAIL.finditer(folded.text), _MOST):
        yield Entity("email", found.group().lower(), *folded.span(*found.span()))


def _asked(folded: Folded, asked: str, found: list[Entity]) -> Iterator[Entity]:
    """Read a bare answer as what was asked for when no shape fits it."""
    if asked not in {"order_number", "tracking_number"} or any(entity.name == asked for entity in found):
        return
    text = folded.text
    digits = sum(char.isdigit() for char in text)
    if _BARE_CODE.fullmatch(text) and digits >= _ASKED_CODE_DIGITS and digits * 2 > len(text.replace(" ", "")):
        found.clear()
        start = len(text) - len(text.lstrip())
        yield Entity(asked, re.sub(r"[ \-]", "", text).upper(), *folded.span(start, len(text.rstrip())))
        return
    within = _CODE_WITHIN.search(text) if len(text) <= _SHORT_ANSWER_CHARS else None
    entity = (
        Entity(asked, re.sub(r"[ \-]", "", within.group()).upper(), *folded.span(*within.span())) if within else None
    )
    if entity and not _overlaps(entity, [(other.start, other.end) for other in found]):
        yield entity


def _dates(folded: Folded, today: date) -> Iterator[Entity]:
    return _spanned(folded, "date", find_dates(folded.simplified, today))


def _amounts(folded: Folded, asked: str) -> Iterator[Entity]:
    return _spanned(folded, "amount", find_amounts(folded.simplified, asked))


def _scores(folded: Folded, asked: str) -> Iterator[Entity]:
    text = folded.simplified
    for found in islice(_SCORE.finditer(text), _MOST):
        score = _score(found, text)
        if score is not None:
            yield Entity("score", str(score), *folded.span(*found.span()))
    bare = _BARE_SCORE.fullmatch(text) if asked == "score" else None
    number = read_number(bare.group(1)) if bare else None
    if bare and number is not None and not _SCORE.search(text):
        yield Entity(
            "score", str(_to_five(number, _HIGHEST if number <= _HIGHEST else 10)), *folded.span(*bare.span(1))
        )


def _score(found: re.Match[str], text: str) -> int | None:
    if found["full2"]:
        return _HIGHEST if _POINT_WORDS.search(text) else None
    if found["drawn"]:
        return sum(char in _DRAWN_STARS for char in found["drawn"])
    if found["given"] and found.group().count("/") and _DATE_WORDS.search(text):
        return None
    given = found["given"] or found["words"] or found["stars"] or found["points"] or found["straight"]
    number = 0.5 if given == "半" else read_number(given)
    return None if number is None else _on_its_scale(number, found, text)


def _on_its_scale(number: float, found: re.Match[str], text: str) -> int | None:
    full = read_number(found["full"] or found["wordsfull"] or "")
    if found["points"] or found["straight"]:
        if found["points"] and not _POINT_WORDS.search(text.replace(found.group(), "")):
            return None
        full = _HIGHEST if number <= _HIGHEST else 10 if number <= 10 else 100  # noqa: PLR2004
    full = _HIGHEST if found["stars"] else full or _HIGHEST
    return None if number > full else _to_five(number, int(full))


def _to_five(number: float, full: int) -> int:
    """Bring a score of any scale to 1..5."""
    return max(1, min(_HIGHEST, round(number * _HIGHEST / full)))
