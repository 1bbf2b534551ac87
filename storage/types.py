"""Column types that mean the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Dialect, Integer, Numeric, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

BigId = BigInteger().with_variant(Integer, "sqlite")
"""A growing number: SQLite only counts up an INTEGER PRIMARY KEY."""

Json = JSON().with_variant(JSONB(), "postgresql")

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
"""What no text column takes: NUL (PostgreSQL) and halves of surrogate pairs (UTF-8)."""


def clean_text(text: str, max_chars: int | None = None) -> str:
    """Take out what no database stores (NUL, lone surrogates) and cut to ``max_chars``."""
    kept = _UNSTORABLE.sub("", text) if _UNSTORABLE.search(text) else text
    return kept if max_chars is None else kept[:max_chars]


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return value


def dump_json(value: Any) -> str:
    """Write JSON as the columns keep it: readable characters, nothing that a database refuses."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    if "\\u0000" in text or _UNSTORABLE.search(text):
        text = json.dumps(_clean(value), ensure_ascii=False, separators=(",", ":"))
    return text


class Moment(TypeDecorator[datetime]):
    """An aware UTC datetime; a naive one is refused on the way in, zone restored on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Turn to UTC; SQLite keeps it without zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without zone cannot be stored: {value!r}; pass an aware datetime")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Restore UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Money(TypeDecorator[Decimal]):
    """An amount with two decimals, exact: SQLite has no decimal type and keeps hundredths as an integer."""

    impl = Numeric(14, 2)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the column's type."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else Numeric(14, 2))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        """Turn to hundredths on SQLite; a third decimal is refused."""
        if value is None:
            return None
        hundredths = value * 100
        if hundredths != hundredths.to_integral_value():
            raise ValueError(f"an amount has two decimals at most: {value}")
        return int(hundredths) if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Restore the decimals."""
        if value is None:
            return None
        return Decimal(value).scaleb(-2) if dialect.name == "sqlite" else Decimal(value)
