"""Files of orders, CSV or JSON, read as a whole: every problem is named, or every order is returned.

The columns are described in ``docs/orders-import.md``.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from bot.domain.errors import ImportRefused
from bot.domain.orders import Order, OrderItem, Parcel
from storage import order_fields as read
from storage.order_fields import FieldProblem, Fields

T = TypeVar("T")

ORDER_COLUMNS = (
    "order_number",
    "state",
    "placed_at",
    "total",
    "currency",
    "phone",
    "recipient",
    "address",
    "promised_ship_at",
    "refunded_at",
)
ITEM_COLUMNS = ("item_name", "item_options", "item_quantity", "item_unit_price", "item_sku")
PARCEL_COLUMNS = ("carrier", "tracking_number", "last_event", "exception", "estimated_at", "delivered_at")
REQUIRED_COLUMNS = (
    *ORDER_COLUMNS[:6],
    "item_name",
    "item_quantity",
    "item_unit_price",
)

_UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_HOW_TO_SAVE = "save it as UTF-8 (in Excel: 'CSV UTF-8') and import again"


@dataclass(slots=True)
class _Draft:
    """An order being put together from its rows."""

    line: int
    head: dict[str, Any]
    items: list[OrderItem] = field(default_factory=list)
    parcels: dict[tuple[str, str], Parcel] = field(default_factory=dict)


@dataclass(slots=True)
class _Reading:
    """What has been read so far and what was wrong."""

    now: datetime
    drafts: dict[str, _Draft] = field(default_factory=dict)
    problems: list[tuple[int, str]] = field(default_factory=list)

    def attempt(self, line: int, where: str, reader: Callable[[], T]) -> T | None:
        """Run a reader; note its problem instead of raising it."""
        try:
            return reader()
        except FieldProblem as problem:
            self.problems.append((line, f"{where}{problem}"))
            return None


def read_orders(path: Path, now: datetime, encoding: str = "utf-8") -> list[Order]:
    """Read a ``.csv`` or ``.json`` file of orders; relative times count from ``now`` (aware).

    Only the last four digits of a phone are kept. Raises ImportRefused with every ``(line, reason)``.
    """
    readers: dict[str, Callable[[str, _Reading], None]] = {".csv": _read_csv, ".json": _read_json}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise ImportRefused(f"{path.name} is neither .csv nor .json; nothing was imported")
    try:
        content = path.read_bytes()
    except OSError as problem:
        raise ImportRefused(f"{path} cannot be read: {problem.strerror}; nothing was imported") from problem
    reading = _Reading(now)
    reader(_decode(path.name, content, encoding), reading)
    if not reading.drafts and not reading.problems:
        reading.problems.append((0, "the file holds no orders"))
    if reading.problems:
        problems = tuple(sorted(reading.problems))
        raise ImportRefused(f"{path.name}: {len(problems)} problems found; nothing was imported", problems)
    return [_order(draft) for draft in reading.drafts.values()]


def _decode(name: str, content: bytes, encoding: str) -> str:
    """Decode strictly; another encoding is named but never guessed, for a wrong guess would spoil names silently."""
    if content.startswith(_UTF16_MARKS) and encoding == "utf-8":
        raise ImportRefused(f"{name} is UTF-16, not UTF-8; {_HOW_TO_SAVE}", ((1, "UTF-16"),))
    try:
        return content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except LookupError:
        raise ImportRefused(f"the encoding {encoding!r} is not known; try utf-8 or gb18030") from None
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        reason = f"byte 0x{content[problem.start]:02x} is not {encoding}"
        message = f"{name} is not {encoding.upper()}: line {line} cannot be read; {_HOW_TO_SAVE}"
        if encoding == "utf-8" and _decodes_as_gb18030(content):
            message += "; it looks like GBK (GB18030): if you know that it is, import it with the encoding gb18030"
        raise ImportRefused(message, ((line, reason),)) from None


def _decodes_as_gb18030(content: bytes) -> bool:
    try:
        content.decode("gb18030")
    except UnicodeDecodeError:
        return False
    return True


# ---------------------------------------------------------------- CSV


def _read_csv(content: str, reading: _Reading) -> None:
    rows = csv.reader(io.StringIO(content, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(rows, [])]
        if not _header_is_ours(header, reading):
            return
        line = rows.line_num + 1
        for row in rows:
            if any(cell.strip() for cell in row):
                _read_csv_row(dict(zip(header, row, strict=False)), len(row) - len(header), line, reading)
            line = rows.line_num + 1
    except csv.Error as problem:
        reading.problems.append((rows.line_num, f"not CSV from here on: {problem}"))


def _header_is_ours(header: list[str], reading: _Reading) -> bool:
    known = {*ORDER_COLUMNS, *ITEM_COLUMNS, *PARCEL_COLUMNS}
    wrong = [f"the column {name} is missing" for name in REQUIRED_COLUMNS if name not in header]
    wrong += [f"the column {name!r} is not known" for name in header if name not in known]
    wrong += [f"the column {name!r} stands there twice" for name in sorted(set(header)) if header.count(name) > 1]
    reading.problems.extend((1, reason) for reason in wrong)
    return not wrong


def _read_csv_row(fields: Fields, surplus: int, line: int, reading: _Reading) -> None:
    if surplus:
        reading.problems.append(
            (line, f"{abs(surplus)} fields {'more' if surplus > 0 else 'fewer'} than the header has")
        )
        return
    head = _read_head(fields, line, "", reading)
    item = _read_item(fields, line, "", reading)
    parcel = None
    if any((fields.get(column) or "").strip() for column in PARCEL_COLUMNS):
        parcel = _read_parcel(fields, line, "", reading)
    if head is None:
        return
    draft = reading.drafts.setdefault(head["number"], _Draft(line, head))
    for name, value in head.items():
        if draft.head[name] != value:
            reading.problems.append((line, f"{name} differs from line {draft.line}, which is the same order"))
    if item is not None:
        draft.items.append(item)
    if parcel is not None and draft.parcels.setdefault((parcel.carrier, parcel.tracking_number), parcel) != parcel:
        reading.problems.append((line, "the parcel differs from an earlier line with the same tracking number"))


# ---------------------------------------------------------------- JSON


def _read_json(content: str, reading: _Reading) -> None:
    try:
        for line, value in _elements(content):
            _read_json_order(value, line, reading)
    except json.JSONDecodeError as problem:
        reading.problems.append((problem.lineno, f"not JSON from column {problem.colno} on: {problem.msg}"))
    except RecursionError:
        reading.problems.append((0, "the JSON is nested too deeply"))


def _elements(content: str) -> Iterator[tuple[int, Any]]:
    """Yield (line, element) of the outermost list."""
    # NaN and Infinity stay words, which no field takes.
    decoder = json.JSONDecoder(parse_float=Decimal, parse_constant=str)
    position = _skip_blanks(content, 0)
    if content[position : position + 1] != "[":
        raise json.JSONDecodeError("a list of orders is wanted", content, position)
    position = _skip_blanks(content, position + 1)
    line, counted = 1, 0
    while content[position : position + 1] != "]":
        line, counted = line + content.count("\n", counted, position), position
        value, end = decoder.raw_decode(content, position)
        yield line, value
        position = _skip_blanks(content, end)
        if content[position : position + 1] == ",":
            position = _skip_blanks(content, position + 1)
            if content[position : position + 1] != "]":
                continue
        elif content[position : position + 1] == "]":
            continue
        raise json.JSONDecodeError("the next order or the end of the list is wanted", content, position)
    if _skip_blanks(content, position + 1) != len(content):
        raise json.JSONDecodeError("nothing is wanted after the list", content, position + 1)


def _skip_blanks(content: str, position: int) -> int:
    while position < len(content) and content[position] in " \t\r\n":
        position += 1
    return position


def _read_json_order(value: Any, line: int, reading: _Reading) -> None:
    if not isinstance(value, dict):
        reading.problems.append((line, "an order is wanted: an object in braces"))
        return
    _refuse_unknown(value, (*ORDER_COLUMNS, "items", "parcels"), line, "", reading)
    head = _read_head(value, line, "", reading)
    items = [
        _read_item(fields, line, where, reading)
        for where, fields in _objects(value, "items", ITEM_COLUMNS, line, reading)
    ]
    parcels = [
        _read_parcel(fields, line, where, reading)
        for where, fields in _objects(value, "parcels", PARCEL_COLUMNS, line, reading)
    ]
    if not items:
        reading.problems.append((line, "items: an order has at least one"))
    if head is None:
        return
    if head["number"] in reading.drafts:
        first = reading.drafts[head["number"]].line
        reading.problems.append((line, f"order_number: {head['number']} stands on line {first} already"))
        return
    draft = reading.drafts[head["number"]] = _Draft(line, head, [item for item in items if item])
    for parcel in filter(None, parcels):
        if draft.parcels.setdefault((parcel.carrier, parcel.tracking_number), parcel) is not parcel:
            reading.problems.append((line, "parcels: two have the same carrier and tracking number"))


def _objects(
    order: Mapping[str, Any], name: str, columns: tuple[str, ...], line: int, reading: _Reading
) -> Iterator[tuple[str, Fields]]:
    value = order.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        reading.problems.append((line, f"{name}: a list of objects is wanted"))
        return
    for index, fields in enumerate(value):
        where = f"{name}[{index}]."
        _refuse_unknown(fields, columns, line, where, reading)
        yield where, fields


def _refuse_unknown(fields: Fields, known: tuple[str, ...], line: int, where: str, reading: _Reading) -> None:
    reading.problems.extend((line, f"{where}{name[:60]}: is not known") for name in fields if name not in known)


# ---------------------------------------------------------------- the parts of an order


def _read_head(fields: Fields, line: int, where: str, reading: _Reading) -> dict[str, Any] | None:
    readers: dict[str, Callable[[], Any]] = {
        "number": lambda: read.order_number(fields),
        "state": lambda: read.state(fields),
        "placed_at": lambda: read.required_moment(fields, "placed_at", reading.now),
        "total": lambda: read.amount(fields, "total"),
        "currency": lambda: read.currency(fields),
        "phone_last4": lambda: read.phone_last4(fields),
        "recipient": lambda: read.text(fields, "recipient", 200),
        "address": lambda: read.text(fields, "address", 1000),
        "promised_ship_at": lambda: read.moment(fields, "promised_ship_at", reading.now),
        "refunded_at": lambda: read.moment(fields, "refunded_at", reading.now),
    }
    return _read_all(readers, line, where, reading)


def _read_item(fields: Fields, line: int, where: str, reading: _Reading) -> OrderItem | None:
    readers: dict[str, Callable[[], Any]] = {
        "name": lambda: read.required(fields, "item_name", 300),
        "quantity": lambda: read.quantity(fields),
        "unit_price": lambda: read.amount(fields, "item_unit_price"),
        "options": lambda: read.text(fields, "item_options", 300),
        "sku": lambda: read.text(fields, "item_sku", 64),
    }
    values = _read_all(readers, line, where, reading)
    return OrderItem(**values) if values is not None else None


def _read_parcel(fields: Fields, line: int, where: str, reading: _Reading) -> Parcel | None:
    readers: dict[str, Callable[[], Any]] = {
        "carrier": lambda: read.text(fields, "carrier", 100),
        "tracking_number": lambda: read.text(fields, "tracking_number", 100),
        "last_event": lambda: read.text(fields, "last_event", 300),
        "exception": lambda: read.text(fields, "exception", 300),
        "estimated_at": lambda: read.moment(fields, "estimated_at", reading.now),
        "delivered_at": lambda: read.moment(fields, "delivered_at", reading.now),
    }
    values = _read_all(readers, line, where, reading)
    return Parcel(**values) if values is not None else None


def _read_all(
    readers: Mapping[str, Callable[[], Any]], line: int, where: str, reading: _Reading
) -> dict[str, Any] | None:
    known = len(reading.problems)
    values = {name: reading.attempt(line, where, reader) for name, reader in readers.items()}
    return values if len(reading.problems) == known else None


def _order(draft: _Draft) -> Order:
    return Order(**draft.head, items=tuple(draft.items), parcels=tuple(draft.parcels.values()))
