"""Tries to prove orders, over all conversations."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, select

from bot.domain.ids import CustomerId
from bot.domain.turns import ProofAttempt
from storage.database import Database
from storage.tables import PROOF_ATTEMPTS, PROVED_ORDERS, Upsert
from storage.types import clean_text

_NUMBER_CHARS = 64

_ADD_PROVED = Upsert(
    lambda into: into(PROVED_ORDERS).on_conflict_do_nothing(index_elements=["customer_id", "order_number"])
)


def _wrong(whose: ColumnElement[bool]) -> ColumnElement[int]:
    return (
        select(func.count())
        .select_from(PROOF_ATTEMPTS)
        .where(whose, PROOF_ATTEMPTS.c.at >= bindparam("since"), PROOF_ATTEMPTS.c.right.is_(False))
        .scalar_subquery()
    )


_FAILURES = select(
    _wrong(PROOF_ATTEMPTS.c.customer_id == bindparam("customer")),
    _wrong(PROOF_ATTEMPTS.c.order_number == bindparam("order_number")),
)


class SqlProofLedger:
    """Counts wrong tries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def failures(self, customer_id: CustomerId, order_number: str, since: datetime) -> int:
        """Count wrong tries since ``since``: the larger of the customer's own and those for that order."""
        values = {"customer": customer_id, "order_number": _kept(order_number), "since": since}
        own, for_order = await self._database.glance(lambda connection: connection.execute(_FAILURES, values).one())
        return max(own, for_order)


def record(connection: Connection, attempts: Sequence[ProofAttempt], customer_id: str, at: datetime) -> None:
    """Keep tries of a turn."""
    if attempts:
        rows = [
            {"customer_id": customer_id, "order_number": _kept(attempt.order_number), "right": attempt.right, "at": at}
            for attempt in attempts
        ]
        connection.execute(insert(PROOF_ATTEMPTS), rows)


def record_proved(connection: Connection, order_numbers: Sequence[str], customer_id: str, at: datetime) -> None:
    """Keep orders the customer has shown to be his; the first time counts."""
    for number in order_numbers:
        connection.execute(
            _ADD_PROVED.on(connection), {"customer_id": customer_id, "order_number": _kept(number), "proved_at": at}
        )


def _kept(order_number: str) -> str:
    """Cut what a shopper gave as a number to what the column holds."""
    return clean_text(order_number, _NUMBER_CHARS)
