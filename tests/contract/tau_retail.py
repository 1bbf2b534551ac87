"""The public tau-retail orders in our import format; they carry no phones, so each gets an invented one."""

from __future__ import annotations

import gzip
import json
import zlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

STATES = {"pending": "paid", "processed": "processing", "delivered": "delivered", "cancelled": "cancelled"}
FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)


def find() -> Path:
    """Name the folder of the data, beside the repository."""
    return Path(__file__).parents[3] / "shared" / "data" / "tau_retail"


def load(folder: Path) -> list[dict[str, Any]]:
    """Convert all orders, in the order of their numbers."""
    orders = json.loads(gzip.decompress((folder / "orders.json.gz").read_bytes()))
    users = json.loads(gzip.decompress((folder / "users.json.gz").read_bytes()))
    return [_order(orders[number], users) for number in sorted(orders)]


def phone_of(number: str) -> str:
    """Invent the phone of an order, always the same."""
    return f"1380000{zlib.crc32(number.encode()) % 10_000:04}"


def _order(order: dict[str, Any], users: dict[str, Any]) -> dict[str, Any]:
    number = order["order_id"]
    placed_at = FIRST_DAY + timedelta(minutes=zlib.crc32(number.encode()) % 80_000)
    name = users[order["user_id"]]["name"]
    paid = next(each["amount"] for each in order["payment_history"] if each["transaction_type"] == "payment")
    tracking = [tracking for each in order["fulfillments"] for tracking in each["tracking_id"]]
    return {
        "order_number": number,
        "state": STATES[order["status"]],
        "placed_at": placed_at.isoformat(),
        "total": paid,
        "currency": "USD",
        "phone": phone_of(number),
        "recipient": f"{name['first_name']} {name['last_name']}",
        "address": ", ".join(order["address"][part] for part in ("address1", "address2", "city", "state", "zip")),
        "items": [_item(item) for item in order["items"]],
        "parcels": [{"carrier": "Parcel Post", "tracking_number": each} for each in tracking],
    }


def _item(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "item_name": item["name"],
        "item_options": ", ".join(f"{name}: {value}" for name, value in item["options"].items()),
        "item_quantity": 1,
        "item_unit_price": item["price"],
        "item_sku": item["item_id"],
    }
