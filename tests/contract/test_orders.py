"""Orders are found however they are written, cancelled once, and imported whole."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from bot.domain.clock import ManualClock
from bot.domain.errors import Conflict, NotFound
from bot.domain.orders import Order, OrderItem, OrderState, Parcel
from storage.database import Database
from storage.order_import import ImportReport, import_orders, read_orders
from storage.orders import SqlOrderSource
from storage.tables import ORDER_ITEMS, ORDERS, PARCELS
from tests.conftest import missing_part
from tests.contract import tau_retail
from tests.contract.line import NOW, Line

ORDER = Order(
    number="W1234567",
    state=OrderState.PAID,
    placed_at=NOW - timedelta(days=1),
    total=Decimal("207.00"),
    currency="CNY",
    phone_last4="0001",
    items=(OrderItem("水壶", 1, Decimal("129.00"), "白", "SA-202"), OrderItem("马克杯", 2, Decimal("39.00"))),
    parcels=(Parcel("中通", "73", "已揽收", "", NOW + timedelta(days=1), None),),
    recipient="李小雨",
    address="杭州",
    promised_ship_at=NOW,
)


@pytest.fixture
def source(database: Database) -> SqlOrderSource:
    """Give the shop's orders, once for each kind of database."""
    return SqlOrderSource(database, ManualClock(NOW))


async def test_find_gives_the_whole_order_however_it_is_written(database: Database, source: SqlOrderSource):
    """Items and parcels come in order; an unknown number is None."""
    await import_orders(database, [ORDER], NOW)
    for written in ("W1234567", "#w123 4567", "ｗ1234567"):
        assert await source.find(written) == ORDER
    for unknown in ("W1", "", "'; --", "x\x00", "W" * 5000):
        assert await source.find(unknown) is None


async def test_cancel_twice_is_one_cancellation(database: Database, source: SqlOrderSource):
    """Idempotent, also at once."""
    await import_orders(database, [ORDER], NOW)
    ends = await asyncio.gather(*(source.cancel("#w1234567") for _ in range(5)))
    assert {order.state for order in ends} == {OrderState.CANCELLED}
    assert ends[0] == replace(ORDER, state=OrderState.CANCELLED)


@pytest.mark.parametrize("state", [OrderState.SHIPPED, OrderState.DELIVERED, OrderState.REFUNDED])
async def test_cancel_of_what_has_left_is_refused(database: Database, source: SqlOrderSource, state: OrderState):
    """The refusal names the state; nothing is changed; nobody's order is not found."""
    await import_orders(database, [replace(ORDER, state=state)], NOW)
    with pytest.raises(Conflict, match=state.value):
        await source.cancel(ORDER.number)
    assert (await source.find(ORDER.number)) == replace(ORDER, state=state)
    with pytest.raises(NotFound):
        await source.cancel("W999")


async def test_import_again_changes_nothing_and_a_change_replaces_the_order(line: Line, source: SqlOrderSource):
    """New, unchanged, updated: each is counted, and nothing of the old order is left."""
    other = replace(ORDER, number="W2")
    assert await import_orders(line.database, [ORDER, other], NOW) == ImportReport(2, 0, 0)
    assert await import_orders(line.database, [ORDER, other], NOW) == ImportReport(0, 0, 2)
    changed = replace(ORDER, state=OrderState.SHIPPED, items=ORDER.items[1:], parcels=())
    assert await import_orders(line.database, [changed], NOW) == ImportReport(0, 1, 0)
    assert await source.find(ORDER.number) == changed
    assert await source.find("W2") == other
    assert (await line.count(ORDER_ITEMS), await line.count(PARCELS)) == (3, 1)


async def test_import_of_an_older_file_keeps_a_cancellation(line: Line, source: SqlOrderSource):
    """What the shopper cancelled stays so until the shop says that it was shipped."""
    await import_orders(line.database, [ORDER], NOW)
    await source.cancel(ORDER.number)
    assert await import_orders(line.database, [ORDER], NOW) == ImportReport(0, 0, 1)
    changed = replace(ORDER, address="上海")
    assert await import_orders(line.database, [changed], NOW) == ImportReport(0, 1, 0)
    assert await source.find(ORDER.number) == replace(changed, state=OrderState.CANCELLED)
    assert (await line.rows(ORDERS))[0]["cancelled_at"] == NOW
    shipped = replace(ORDER, state=OrderState.SHIPPED)
    await import_orders(line.database, [shipped], NOW)
    assert await source.find(ORDER.number) == shipped


async def test_import_that_fails_in_the_middle_leaves_nothing(line: Line):
    """The last order of many breaks: none is there."""
    orders = [replace(ORDER, number=f"W{number}") for number in range(450)]
    broken = replace(ORDER, number="W9999", total=Decimal("1.005"))
    with pytest.raises(Exception, match="two decimals"):
        await import_orders(line.database, [*orders, broken], NOW)
    assert await line.count(ORDERS) == 0


async def test_import_by_two_at_once_is_one_import(line: Line):
    """Two people import the same file: one of them finds it unchanged."""
    orders = [replace(ORDER, number=f"W{number}") for number in range(50)]
    reports = await asyncio.gather(*(import_orders(line.database, orders, NOW) for _ in range(2)))
    assert sorted(report.new for report in reports) == [0, 50]
    assert await line.count(ORDERS) == 50


async def test_import_takes_the_thousand_public_orders(line: Line, source: SqlOrderSource, tmp_path: Path):
    """All of the public data set goes in, with its progress, and a second time without a change."""
    folder = tau_retail.find()
    if not folder.is_dir():
        missing_part("shared", f"the public orders are not there: {folder}")
    path = tmp_path / "tau.json"
    path.write_text(json.dumps(tau_retail.load(folder)), encoding="utf-8")
    orders = read_orders(path, NOW)
    told: list[tuple[int, int]] = []
    report = await import_orders(line.database, orders, NOW, lambda done, of: told.append((done, of)))
    assert report == ImportReport(1000, 0, 0)
    assert told[-1] == (1000, 1000)
    assert await import_orders(line.database, read_orders(path, NOW), NOW) == ImportReport(0, 0, 1000)
    order = await source.find("#W2611340")
    assert order is not None
    assert order.phone_last4 == tau_retail.phone_of("#W2611340")[-4:]
    assert (order.state, order.total, len(order.items)) == (OrderState.PROCESSING, Decimal("536.65"), 2)
