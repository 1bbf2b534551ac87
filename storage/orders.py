"""The shop's orders in our own database."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, RowMapping, bindparam, select, update

from bot.domain.clock import Clock
from bot.domain.errors import Conflict, NotFound
from bot.domain.orders import CANCELLABLE, Order, OrderItem, OrderState, Parcel
from storage.database import Database
from storage.tables import ORDER_ITEMS, ORDERS, PARCELS
from storage.types import clean_text

_DECORATION = re.compile(r"[#\s\u00ad\u200b-\u200d\u2060\ufeff\-\u2010-\u2015\u2212]+")
"""What people write around a number: ``#``, blanks, dashes, and marks that cannot be seen."""

_FIND = select(ORDERS).where(ORDERS.c.number.in_(bindparam("numbers", expanding=True)))
_ITEMS = (
    select(ORDER_ITEMS)
    .where(ORDER_ITEMS.c.order_number.in_(bindparam("numbers", expanding=True)))
    .order_by(ORDER_ITEMS.c.position)
)
_PARCELS = (
    select(PARCELS).where(PARCELS.c.order_number.in_(bindparam("numbers", expanding=True))).order_by(PARCELS.c.position)
)
_CANCEL = (
    update(ORDERS)
    .where(ORDERS.c.number == bindparam("order"), ORDERS.c.state.in_([state.value for state in CANCELLABLE]))
    .values(state=OrderState.CANCELLED.value, cancelled_at=bindparam("at"))
)


def canonical_number(written: str) -> str:
    """Bring an order number to the one form it is kept in: upper case, half width, no ``#``, blanks or dashes."""
    return _DECORATION.sub("", unicodedata.normalize("NFKC", clean_text(written))).upper()


class SqlOrderSource:
    """Orders by their number."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def find(self, number: str) -> Order | None:
        """Find an order by its number, written in any of the usual ways."""
        canonical = canonical_number(number)
        found = await self._database.glance(lambda connection: load(connection, [canonical]))
        return found.get(canonical)

    async def cancel(self, number: str) -> Order:
        """Cancel; idempotent. Raises Conflict when it has left the warehouse, NotFound when there is none."""
        canonical = canonical_number(number)
        values = {"order": canonical, "at": self._clock.now()}

        def unit(connection: Connection) -> Order:
            connection.execute(_CANCEL, values)
            order = load(connection, [canonical]).get(canonical)
            if order is None:
                raise NotFound(f"there is no order {canonical!r}")
            if order.state is not OrderState.CANCELLED:
                raise Conflict(f"order {canonical} is {order.state.value}; only what has not left can be cancelled")
            return order

        return await self._database.run(unit)


def load(connection: Connection, numbers: Collection[str]) -> dict[str, Order]:
    """Load orders by canonical number; those that are not there are left out."""
    values = {"numbers": list(numbers)}
    rows = connection.execute(_FIND, values).mappings().all()
    if not rows:
        return {}
    items: dict[str, list[OrderItem]] = {}
    for row in connection.execute(_ITEMS, values).mappings():
        items.setdefault(row["order_number"], []).append(_item(row))
    parcels: dict[str, list[Parcel]] = {}
    for row in connection.execute(_PARCELS, values).mappings():
        parcels.setdefault(row["order_number"], []).append(_parcel(row))
    return {
        row["number"]: _order(row, tuple(items.get(row["number"], ())), tuple(parcels.get(row["number"], ())))
        for row in rows
    }


def order_values(order: Order) -> dict[str, Any]:
    """Shape an order's own columns."""
    return {
        "number": order.number,
        "state": order.state.value,
        "placed_at": order.placed_at,
        "total": order.total,
        "currency": order.currency,
        "phone_last4": order.phone_last4,
        "recipient": order.recipient,
        "address": order.address,
        "promised_ship_at": order.promised_ship_at,
        "refunded_at": order.refunded_at,
    }


def item_values(order: Order) -> list[dict[str, Any]]:
    """Shape an order's lines."""
    return [
        {
            "order_number": order.number,
            "position": position,
            "name": item.name,
            "quantity": item.quantity,
            "unit_price": item.unit_price,
            "options": item.options,
            "sku": item.sku,
        }
        for position, item in enumerate(order.items)
    ]


def parcel_values(order: Order) -> list[dict[str, Any]]:
    """Shape an order's parcels."""
    return [
        {
            "order_number": order.number,
            "position": position,
            "carrier": parcel.carrier,
            "tracking_number": parcel.tracking_number,
            "last_event": parcel.last_event,
            "exception": parcel.exception,
            "estimated_at": parcel.estimated_at,
            "delivered_at": parcel.delivered_at,
        }
        for position, parcel in enumerate(order.parcels)
    ]


def _order(row: RowMapping, items: tuple[OrderItem, ...], parcels: tuple[Parcel, ...]) -> Order:
    return Order(
        number=row["number"],
        state=OrderState(row["state"]),
        placed_at=row["placed_at"],
        total=row["total"],
        currency=row["currency"],
        phone_last4=row["phone_last4"],
        items=items,
        parcels=parcels,
        recipient=row["recipient"],
        address=row["address"],
        promised_ship_at=row["promised_ship_at"],
        refunded_at=row["refunded_at"],
    )


def _item(row: RowMapping) -> OrderItem:
    return OrderItem(row["name"], row["quantity"], row["unit_price"], row["options"], row["sku"])


def _parcel(row: RowMapping) -> Parcel:
    return Parcel(
        carrier=row["carrier"],
        tracking_number=row["tracking_number"],
        last_event=row["last_event"],
        exception=row["exception"],
        estimated_at=row["estimated_at"],
        delivered_at=row["delivered_at"],
    )
