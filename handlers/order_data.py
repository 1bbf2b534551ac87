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


def parcel_data(parcel: Parcel) -> dict[str, Any]:
    """Shape a parcel for a template."""
    return {
        "carrier": parcel.carrier,
        "tracking_number": parcel.tracking_number,
        "last_event": parcel.last_event,
        "exception": parcel.exception,
        "estimated_at": _iso(parcel.estimated_at),
        "delivered_at": _iso(parcel.delivered_at),
    }


def _iso(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""
