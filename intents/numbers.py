"""Order, ticket, parcel and phone numbers in chat text: split, spelled out, prefixed, glued to Chinese."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from bot.domain.understanding import Entity
from intents.normalising import Folded
from intents.numerals import join_digits
from intents.shapes import Shapes

_WORD = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine)"
_ITEM = rf"(?:\d+|[零〇一二三四五六七八九幺两](?![十百千万])|\b{_WORD}\b)"
_RUN = re.compile(rf"{_ITEM}(?:[ \-.·]{{0,2}}{_ITEM})*")
_PREFIX = re.compile(r"(?<![A-Za-z0-9])(#?[ ]?[A-Za-z]{1,4})[-_]?$|(#)[ ]?$")
_SPACED_PREFIX = re.compile(r"(?<![A-Za-z0-9])(#[ ]?[A-Z]{1,3}|[A-HJ-Z]|(?i:TK|SF|YT|JD))[ ]$")
_MIXED_CODE = re.compile(
    r"(?<![A-Za-z0-9@.])(?=[A-Za-z0-9]*\d[A-Za-z0-9]*\d)(?=\d{0,2}[A-Za-z])[A-Za-z0-9]{8,25}(?![A-Za-z0-9@])"
)
_PHONE = re.compile(
    r"(?<![\dA-Za-z])(?:(?:\+|00)?86[ -]?)?(1[3-9]\d(?:[ -]?\d{4}){2})(?!\d)|"
    r"(?<![\dA-Za-z])(\+[1-9]\d{0,2}(?:[ -]?\(?\d{1,4}\)?){2,5})(?!\d)"
)
_DATE_LIKE = re.compile(r"^(?:20\d\d[-. ]\d{1,2}[-. ]\d{1,2}|\d{1,2}[-.]\d{1,2}[-.]20\d\d)(?: \d{1,2})?$")
_MIN_JOINED = 7
_MAX_PIECE = 8
_CONTEXT_CHARS = 18
_TRACKING_WORDS = re.compile(r"运单|快递单|物流单|快递号|物流号|面单|单号查快递|tracking|waybill|awb|consignment")
_PHONE_WORDS = re.compile(r"电话|手机|号码是|联系方式|phone|mobile|cell|call me|whatsapp|tel\b")
_ORDER_WORDS = re.compile(r"订单|单号|order|单子")
_WIDEST_BARE = 15
_NARROWEST_BARE = 10


@dataclass(frozen=True, slots=True)
class _Candidate:
    value: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class NumberShapes:
    """The compiled shapes."""

    order: re.Pattern[str]
    ticket: re.Pattern[str]
    tracking: re.Pattern[str]


@lru_cache(maxsize=8)
def compile_shapes(shapes: Shapes) -> NumberShapes:
    """Compile the shapes; an impossible regular expression raises ``re.error``."""

    def whole(patterns: tuple[str, ...]) -> re.Pattern[str]:
        return re.compile("|".join(f"(?:{pattern})" for pattern in patterns) or r"(?!)", re.IGNORECASE)

    return NumberShapes(whole(shapes.order_number), whole(shapes.ticket_number), whole(shapes.tracking_number))


def find_numbers(folded: Folded, shapes: NumberShapes, asked: str) -> Iterator[Entity]:
    """Find numbers; ``asked`` is the entity the conversation waits for, which settles what a bare number is."""
    taken: list[tuple[int, int]] = []

    def free(start: int, end: int) -> bool:
        return all(end <= other_start or other_end <= start for other_start, other_end in taken)

    for name, candidate in (*_shaped(folded, shapes, asked), *_phones(folded, asked)):
        if free(candidate.start, candidate.end):
            taken.append((candidate.start, candidate.end))
            start, end = folded.span(candidate.start, candidate.end)
            yield Entity(name, candidate.value, start, end)


def _shaped(folded: Folded, shapes: NumberShapes, asked: str) -> Iterator[tuple[str, _Candidate]]:
    seen = 0
    for candidate in _candidates(folded):
        if candidate.start < seen:
            continue
        name = _name(candidate, folded.simplified, shapes, asked)
        if name:
            seen = candidate.end
            yield name, candidate


def _name(candidate: _Candidate, text: str, shapes: NumberShapes, asked: str) -> str:
    value = candidate.value
    if shapes.ticket.fullmatch(value):
        return "ticket_number"
    before = text[max(0, candidate.start - _CONTEXT_CHARS) : candidate.start]
    if _is_phone(value) and asked != "order_number" and not _called_an_order(before):
        return ""
    if shapes.tracking.fullmatch(value) and not (asked == "order_number" and shapes.order.fullmatch(value)):
        return "tracking_number"
    if not value.isdigit() and not asked and _TRACKING_WORDS.search(before):
        return "tracking_number"
    return _order_or_parcel(value, before, shapes, asked)


def _called_an_order(before: str) -> bool:
    """Tell whether the words just before a number call it an order; what names another number does not count."""
    label = re.split(r"\d", before)[-1]
    return bool(_ORDER_WORDS.search(label)) and not _PHONE_WORDS.search(label)


def _order_or_parcel(value: str, before: str, shapes: NumberShapes, asked: str) -> str:
    bare = value.isdigit() and _NARROWEST_BARE <= len(value) <= _WIDEST_BARE
    if bare and (asked == "tracking_number" or (not asked and _TRACKING_WORDS.search(before))):
        return "tracking_number"
    if asked == "phone" and value.isdigit():
        return ""
    return "order_number" if shapes.order.fullmatch(value) else ""


def _is_phone(value: str) -> bool:
    return re.fullmatch(r"(?:86)?1[3-9]\d{9}", value) is not None


def _candidates(folded: Folded) -> Iterator[_Candidate]:
    found = [*_mixed_codes(folded.text), *_runs(folded)]
    return iter(sorted(found, key=lambda candidate: (candidate.start, -candidate.end)))


def _mixed_codes(text: str) -> Iterator[_Candidate]:
    for found in _MIXED_CODE.finditer(text):
        yield _Candidate(found.group().upper(), *found.span())


def _runs(folded: Folded) -> Iterator[_Candidate]:
    for found in _RUN.finditer(folded.simplified):
        start, end = found.span()
        for piece_start, piece_end in _pieces(folded.simplified, start, end):
            digits = join_digits(folded.simplified[piece_start:piece_end])
            prefix, prefix_start = _prefix(folded.text, piece_start)
            if folded.text[max(0, piece_start - 1) : piece_start] == "+":
                continue
            if len(digits) >= _MIN_JOINED or prefix:
                yield _Candidate((prefix + digits).upper(), prefix_start, piece_end)


def _pieces(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Keep a run whole unless a piece of it is long enough to stand alone or the run is a date."""
    run = text[start:end]
    pieces = [(start + found.start(), start + found.end()) for found in re.finditer(r"[^ \-.·]+", run)]
    alone = len(pieces) == 1 or any(piece_end - piece_start >= _MAX_PIECE for piece_start, piece_end in pieces)
    if alone or _DATE_LIKE.match(run) or re.fullmatch(r"\d+\.\d+", run):
        yield from pieces
    else:
        yield start, end


def _prefix(text: str, start: int) -> tuple[str, int]:
    head = text[max(0, start - 7) : start]
    for pattern in (_PREFIX, _SPACED_PREFIX):
        found = pattern.search(head)
        if found:
            letters = re.sub(r"[ \-_]", "", found.group())
            return letters, start - len(head) + found.start()
    return "", start


def _phones(folded: Folded, asked: str) -> Iterator[tuple[str, _Candidate]]:
    for found in _PHONE.finditer(folded.text):
        digits = re.sub(r"\D", "", found.group(1) or found.group(2))
        value = digits if found.group(1) else f"+{digits}"
        if found.group(1) or 8 <= len(digits) <= 15:  # noqa: PLR2004
            yield "phone", _Candidate(value, *found.span())
    yield from _loose_phones(folded, asked)


def _loose_phones(folded: Folded, asked: str) -> Iterator[tuple[str, _Candidate]]:
    """Phones spelled out or split oddly, and any long number where a phone was asked for or named."""
    for found in _RUN.finditer(folded.simplified):
        start, end = found.span()
        digits = join_digits(found.group())
        before = folded.simplified[max(0, start - _CONTEXT_CHARS) : start]
        named = asked == "phone" or (not asked and _PHONE_WORDS.search(before))
        if re.fullmatch(r"1[3-9]\d{9}", digits) or (named and 7 <= len(digits) <= 15):  # noqa: PLR2004
            yield "phone", _Candidate(digits, start, end)
