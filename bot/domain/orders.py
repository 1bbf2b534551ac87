"""Orders as the shop knows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class OrderState(StrEnum):
    """Where an order is."""

    PENDING_PAYMENT = "pending_payment"
    PAID = "paid"
    PROCESSING = "processing"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    RETURN_REQUESTED = "return_requested"
    RETURNED = "returned"
    EXCHANGE_REQUESTED = "exchange_requested"
    REFUNDED = "refunded"


CANCELLABLE = frozenset({OrderState.PENDING_PAYMENT, OrderState.PAID, OrderState.PROCESSING})
"""States in which nothing has left the warehouse."""


@dataclass(frozen=True, slots=True)
class OrderItem:
    """One line of an order; ``unit_price`` in the order's currency."""

    name: str
    quantity: int
    unit_price: Decimal
    options: str = ""
    sku: str = ""


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel of an order; times aware UTC; ``exception`` is what went wrong, in the shop's words."""

    carrier: str
    tracking_number: str
    last_event: str = ""
    exception: str = ""
    estimated_at: datetime | None = None
    delivered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """An order; ``phone_last4`` proves whose it is and is never said."""

    number: str
    state: OrderState
    placed_at: datetime
    total: Decimal
    currency: str
    phone_last4: str
    items: tuple[OrderItem, ...]
    parcels: tuple[Parcel, ...] = ()
    recipient: str = ""
    address: str = ""
    promised_ship_at: datetime | None = None
    refunded_at: datetime | None = None
