"""The tables of orders: what the shop knows, and who has shown which order to be his."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from storage.models import Base
from storage.types import BigId, Moment, Money


class ProofAttemptRow(Base):
    """A try to prove an order."""

    __tablename__ = "proof_attempts"
    __table_args__ = (
        Index("ix_proof_attempts_customer_id_at", "customer_id", "at"),
        Index("ix_proof_attempts_order_number_at", "order_number", "at"),
    )

    id: Mapped[int] = mapped_column(BigId, primary_key=True, autoincrement=True)
    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"))
    order_number: Mapped[str] = mapped_column(String(64))
    right: Mapped[bool] = mapped_column()
    at: Mapped[datetime] = mapped_column(Moment)


class ProvedOrderRow(Base):
    """An order a customer has shown to be his."""

    __tablename__ = "proved_orders"

    customer_id: Mapped[str] = mapped_column(ForeignKey("customers.id"), primary_key=True)
    order_number: Mapped[str] = mapped_column(String(64), primary_key=True)
    proved_at: Mapped[datetime] = mapped_column(Moment)


class NetworkTryRow(Base):
    """A try to prove an order, by the keyed hash of the network it came from; it counts until ``counts_until``.

    ``place`` is one of the few that a network has, from 0; ``try_id`` tells the try from one that has it later.
    """

    __tablename__ = "network_tries"

    network: Mapped[str] = mapped_column(String(64), primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    try_id: Mapped[str] = mapped_column(String(32))
    counts_until: Mapped[datetime] = mapped_column(Moment, index=True)


class OrderRow(Base):
    """An order as the shop knows it; ``number`` in canonical form (upper case, no ``#``, no spaces)."""

    __tablename__ = "orders"

    number: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(24))
    placed_at: Mapped[datetime] = mapped_column(Moment, index=True)
    total: Mapped[Decimal] = mapped_column(Money)
    currency: Mapped[str] = mapped_column(String(3))
    phone_last4: Mapped[str] = mapped_column(String(4))
    recipient: Mapped[str] = mapped_column(String(200), default="")
    address: Mapped[str] = mapped_column(Text, default="")
    promised_ship_at: Mapped[datetime | None] = mapped_column(Moment)
    refunded_at: Mapped[datetime | None] = mapped_column(Moment)
    cancelled_at: Mapped[datetime | None] = mapped_column(Moment)
    imported_at: Mapped[datetime] = mapped_column(Moment)


class OrderItemRow(Base):
    """One line of an order; ``position`` from 0."""

    __tablename__ = "order_items"

    order_number: Mapped[str] = mapped_column(ForeignKey("orders.number", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    quantity: Mapped[int] = mapped_column()
    unit_price: Mapped[Decimal] = mapped_column(Money)
    options: Mapped[str] = mapped_column(String(300), default="")
    sku: Mapped[str] = mapped_column(String(64), default="")


class ParcelRow(Base):
    """A parcel of an order; ``position`` from 0."""

    __tablename__ = "parcels"

    order_number: Mapped[str] = mapped_column(ForeignKey("orders.number", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    carrier: Mapped[str] = mapped_column(String(100), default="")
    tracking_number: Mapped[str] = mapped_column(String(100), default="", index=True)
    last_event: Mapped[str] = mapped_column(String(300), default="")
    exception: Mapped[str] = mapped_column(String(300), default="")
    estimated_at: Mapped[datetime | None] = mapped_column(Moment)
    delivered_at: Mapped[datetime | None] = mapped_column(Moment)
