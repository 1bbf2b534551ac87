"""Single fields of an order file: text in, value out, or the reason why not.

Each reader raises ``FieldProblem`` with a reason that a shop owner understands.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from bot.domain.orders import OrderState
from storage.orders import canonical_number

_RELATIVE = re.compile(r"now(?:([+-])(\d{1,6})([dh]))?")
_NUMBER = re.compile(r"[0-9A-Z][0-9A-Z_.]{0,63}")
_PROOF_DIGITS = 4
_SHOWN_CHARS = 40
_MAX_AMOUNT = Decimal("999999999999.99")
_MAX_QUANTITY = 1_000_000
_CURRENCY_LETTERS = 3


class FieldProblem(ValueError):
    """A field cannot be taken; the text says why."""


Fields = Mapping[str, Any]
"""A row or object of the file: column -> what stands there (text, or a JSON number)."""


def text(fields: Fields, column: str, max_chars: int) -> str:
    """Read words; empty when the column is missing."""
    value = fields.get(column)
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise FieldProblem(f"{column}: a text is wanted, not {_shown(value)}")
    words = str(value).strip()
    if len(words) > max_chars:
        raise FieldProblem(f"{column}: {len(words)} characters, at most {max_chars} can be kept")
    if any(unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\n\r\t" for letter in words):
        raise FieldProblem(f"{column}: holds a control character")
    return words


def required(fields: Fields, column: str, max_chars: int) -> str:
    """Read words that must be there."""
    words = text(fields, column, max_chars)
    if not words:
        raise FieldProblem(f"{column}: is empty")
    return words


def order_number(fields: Fields) -> str:
    """Read an order number in its canonical form."""
    written = required(fields, "order_number", 200)
    number = canonical_number(written)
    if not _NUMBER.fullmatch(number):
        raise FieldProblem(
            f"order_number: {_shown(written)} is not one; up to 64 letters A-Z, digits, dots and underscores"
        )
    return number


def state(fields: Fields) -> OrderState:
    """Read the order's state."""
    name = required(fields, "state", 200).lower()
    try:
        return OrderState(name)
    except ValueError:
        known = ", ".join(each.value for each in OrderState)
        raise FieldProblem(f"state: {_shown(name)} is not known; one of {known}") from None


def amount(fields: Fields, column: str) -> Decimal:
    """Read an amount of money: a point, two decimals at most, not negative."""
    written = required(fields, column, 200)
    try:
        value = Decimal(written)
    except InvalidOperation:
        raise FieldProblem(f"{column}: {_shown(written)} is not an amount like 129.00") from None
    if not value.is_finite() or not 0 <= value <= _MAX_AMOUNT:
        raise FieldProblem(f"{column}: {_shown(written)} is not an amount from 0 to {_MAX_AMOUNT}")
    if value != value.quantize(Decimal("0.01")):
        raise FieldProblem(f"{column}: {_shown(written)} has more than two decimals")
    return value.quantize(Decimal("0.01"))


def currency(fields: Fields) -> str:
    """Read a currency of three letters (ISO 4217)."""
    code = required(fields, "currency", 200).upper()
    if len(code) != _CURRENCY_LETTERS or not (code.isascii() and code.isalpha()):
        raise FieldProblem(f"currency: {_shown(code)} is not a code of three letters like CNY")
    return code


def quantity(fields: Fields) -> int:
    """Read how many."""
    written = required(fields, "item_quantity", 200)
    if not (written.isascii() and written.isdigit()) or not 1 <= int(written) <= _MAX_QUANTITY:
        raise FieldProblem(f"item_quantity: {_shown(written)} is not a whole number from 1 to {_MAX_QUANTITY}")
    return int(written)


def phone_last4(fields: Fields) -> str:
    """Read a phone number and keep its last four digits only; the reason never repeats the number."""
    written = unicodedata.normalize("NFKC", required(fields, "phone", 200))
    digits = re.sub(r"[\s()+./\-]", "", written)
    if not (digits.isascii() and digits.isdigit()) or len(digits) < _PROOF_DIGITS:
        raise FieldProblem("phone: is not a number of at least four digits (blanks, +, - and brackets may stand in it)")
    return digits[-_PROOF_DIGITS:]


def moment(fields: Fields, column: str, now: datetime) -> datetime | None:
    """Read a time: ISO 8601 with an offset, or relative like ``now-3d`` and ``now+5h``; None when empty."""
    written = text(fields, column, 200)
    if not written:
        return None
    try:
        value = _parse_moment(written, now)
    except (ValueError, OverflowError):
        raise FieldProblem(
            f"{column}: {_shown(written)} is not a time like 2026-03-01T09:30:00+08:00 or now-3d"
        ) from None
    if value is None:
        raise FieldProblem(f"{column}: {_shown(written)} has no offset; write it like 2026-03-01T09:30:00+08:00")
    return value


def _parse_moment(written: str, now: datetime) -> datetime | None:
    """Parse a time to UTC; None when it has no offset."""
    relative = _RELATIVE.fullmatch(written)
    if relative:
        return now.astimezone(UTC) + _step(relative)
    value = datetime.fromisoformat(written)
    return value.astimezone(UTC) if value.tzinfo else None


def required_moment(fields: Fields, column: str, now: datetime) -> datetime:
    """Read a time that must be there."""
    value = moment(fields, column, now)
    if value is None:
        raise FieldProblem(f"{column}: is empty")
    return value


def _step(relative: re.Match[str]) -> timedelta:
    sign, count, unit = relative.groups()
    if count is None:
        return timedelta()
    step = timedelta(days=int(count)) if unit == "d" else timedelta(hours=int(count))
    return -step if sign == "-" else step


def _shown(value: Any) -> str:
    shown = str(value)
    return repr(shown if len(shown) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + "...")
