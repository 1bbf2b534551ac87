"""Orders into the database: all of a file in one transaction, and a second time without a change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from bot.domain.orders import CANCELLABLE, Order, OrderState
from storage.database import Database
from storage.order_files import read_orders
from storage.orders import item_values, load, order_values, parcel_values
from storage.tables import ORDER_ITEMS, ORDERS, PARCELS

__all__ = ["ImportReport", "Progress", "import_orders", "read_orders"]

Progress = Callable[[int, int], None]
"""Told (orders done, orders in all); called on the thread of the database."""

_BATCH = 200
_IMPORT_LOCK = 0x786F_0001

_LOCK = (
    select(ORDERS.c.number, ORDERS.c.cancelled_at)
    .where(ORDERS.c.number.in_(bindparam("numbers", expanding=True)))
    .order_by(ORDERS.c.number)
    .with_for_update()
)
_DROP_ITEMS = delete(ORDER_ITEMS).where(ORDER_ITEMS.c.order_number.in_(bindparam("numbers", expanding=True)))
_DROP_PARCELS = delete(PARCELS).where(PARCELS.c.order_number.in_(bindparam("numbers", expanding=True)))
_UPDATE = update(ORDERS).where(ORDERS.c.number == bindparam("order"))


@dataclass(frozen=True, slots=True)
class ImportReport:
    """How many orders were new, changed or the same as before."""

    new: int
    updated: int
    unchanged: int


async def import_orders(
    database: Database, orders: Sequence[Order], at: datetime, progress: Progress | None = None
) -> ImportReport:
    """Write orders in one transaction, each number once; those that are the same stay untouched.

    An order the shopper has cancelled here stays cancelled while the file still has it in a state before shipping:
    the file may be older than the cancellation.
    """

    def unit(connection: Connection) -> ImportReport:
        if connection.dialect.name == "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(_IMPORT_LOCK)))
        new = updated = done = 0
        for batch in _batches(orders):
            added, changed = _write(connection, batch, at)
            new, updated, done = new + added, updated + changed, done + len(batch)
            if progress is not None:
                progress(done, len(orders))
        return ImportReport(new, updated, len(orders) - new - updated)

    return await database.run(unit)


def _batches(orders: Sequence[Order]) -> Iterator[Sequence[Order]]:
    for start in range(0, len(orders), _BATCH):
        yield orders[start : start + _BATCH]


def _write(connection: Connection, batch: Sequence[Order], at: datetime) -> tuple[int, int]:
    numbers = [order.number for order in batch]
    cancelled = {number: moment for number, moment in connection.execute(_LOCK, {"numbers": numbers}) if moment}
    there = load(connection, numbers)
    wanted = [_keep_cancelled(order) if order.number in cancelled else order for order in batch]
    new = [order for order in wanted if order.number not in there]
    changed = [order for order in wanted if order.number in there and there[order.number] != order]
    if changed:
        gone = {"numbers": [order.number for order in changed]}
        connection.execute(_DROP_ITEMS, gone)
        connection.execute(_DROP_PARCELS, gone)
        for order in changed:
            connection.execute(_UPDATE, _columns(order, cancelled, at) | {"order": order.number})
    _insert(connection, ORDERS, [_columns(order, cancelled, at) for order in new])
    _insert(connection, ORDER_ITEMS, [values for order in (*new, *changed) for values in item_values(order)])
    _insert(connection, PARCELS, [values for order in (*new, *changed) for values in parcel_values(order)])
    return len(new), len(changed)


def _keep_cancelled(order: Order) -> Order:
    return replace(order, state=OrderState.CANCELLED) if order.state in CANCELLABLE else order


def _columns(order: Order, cancelled: dict[str, datetime], at: datetime) -> dict[str, Any]:
    kept = cancelled.get(order.number) if order.state is OrderState.CANCELLED else None
    return order_values(order) | {"imported_at": at, "cancelled_at": kept}


def _insert(connection: Connection, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)
