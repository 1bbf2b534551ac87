"""An order as templates see it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bot.domain.orders import Order, Parcel


def order_data(order: Order) -> dict[str, Any]:
    """Shape an order for a template: plain values, times as ISO 8601, never the phone or the address."""
    return {
        "number": order.number,
        "state": order.state.value,
        "placed_at": order.placed_at.isoformat(),
        "total": str(order.total),
        "currency": order.currency,
        "items": [{"name": item.name, "quantity": item.quantity, "options": item.options} for item in order.items],
        "promised_ship_at": _iso(order.promised_ship_at),
        "refunded_at": _iso(order.refunded_at),
    }


def parcel_data(parcel: Parcel, now: datetime) -> dict[str, Any]:
    """Shape a parcel for a template; ``is_overdue`` when it should have been there by ``now``."""
    return {
        "carrier": parcel.carrier,
        "tracking_number": parcel.tracking_number,
        "last_event": parcel.last_event,
        "exception": parcel.exception,
        "estimated_at": _iso(parcel.estimated_at),
        "delivered_at": _iso(parcel.delivered_at),
        "is_overdue": _is_overdue(parcel, now),
    }


def _is_overdue(parcel: Parcel, now: datetime) -> bool:
    return parcel.delivered_at is None and parcel.estimated_at is not None and parcel.estimated_at < now


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
