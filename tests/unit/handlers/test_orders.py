"""What is said about a proved order, and what is changed on it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.domain.events import ProofFailed
from bot.domain.handoff import Priority
from bot.domain.orders import OrderState, Parcel
from bot.domain.replies import Locale
from bot.domain.tickets import TicketKind
from bot.domain.tracker import Tracker
from tests.unit.handlers.fakes import (
    NOW,
    MemoryOrderSource,
    Said,
    delivered,
    keys,
    make_order,
    make_services,
    make_ticket,
    run,
    said_in,
    submit,
)

PROVED = Tracker(proved_orders=("W1234567",))
MINE = Said("到哪了", tracker=PROVED)


def filled(**slots: Any) -> Said:
    """Say everything a second form stage knows."""
    base = {"order_number": "W1234567", "verified": "W1234567"}
    return Said(slots=base | slots, tracker=PROVED)


@pytest.mark.parametrize("state", list(OrderState))
@pytest.mark.parametrize("intent", ["track_order", "order_status", "urge_shipping", "track_refund"])
async def test_every_state_can_be_told(intent: str, state: OrderState) -> None:
    """No state of an order leaves the bot without words, and the phone is never among them."""
    services = make_services((make_order(state, phone_last4="4829", refunded_at=NOW),))
    outcome = await run(services, intent, MINE)
    assert outcome.replies
    assert "4829" not in said_in(services, outcome)


@pytest.mark.parametrize(("locale", "expected"), [(Locale.ZH, "预计明天送达"), (Locale.EN, "Expected: tomorrow")])
async def test_tracking_tells_parcel_and_estimate(locale: Locale, expected: str) -> None:
    """Carrier, tracking number, last event, items and estimate are told in both languages."""
    services = make_services((make_order(),))
    text = said_in(services, await run(services, "track_order", MINE), locale)
    for part in (expected, "中通快递 73000000001001", "已到杭州", "电热水壶"):
        assert part in text


async def test_tracking_tells_every_parcel_and_what_went_wrong() -> None:
    """Two parcels are two; an exception and a missed estimate are said."""
    late = Parcel("圆通", "YT1", exception="派送失败", estimated_at=NOW - timedelta(days=2))
    order = make_order()
    services = make_services((replace(order, parcels=(*order.parcels, late)),))
    text = said_in(services, await run(services, "track_order", MINE))
    for part in ("第 1 个包裹", "第 2 个包裹", "有异常：派送失败", "原定前天送达"):
        assert part in text


async def test_urging_a_late_order_opens_one_urgent_ticket() -> None:
    """Late is admitted, ticketed once, and the second time the same ticket is named."""
    order = make_order(OrderState.PAID, promised_ship_at=NOW - timedelta(hours=1))
    outcome = await run(make_services((order,)), "urge_shipping", MINE)
    (ticket,) = outcome.tickets
    assert (ticket.kind, ticket.priority, ticket.order_number) == (TicketKind.SHIPPING, Priority.HIGH, "W1234567")
    known = make_ticket(kind=TicketKind.SHIPPING, order_number="W1234567")
    again = await run(make_services((order,), (known,)), "urge_shipping", MINE)
    assert keys(again) == ["urge_shipping.already"]
    assert not again.tickets


async def test_urging_in_time_promises_without_a_ticket() -> None:
    """An order in time gets its promise."""
    outcome = await run(make_services((make_order(OrderState.PAID),)), "urge_shipping", MINE)
    assert keys(outcome) == ["urge_shipping.in_time"]
    assert not outcome.tickets


async def test_refund_names_its_ticket() -> None:
    """A refund that is being worked on is told by its ticket."""
    ticket = make_ticket(kind=TicketKind.REFUND, order_number="W1234567")
    services = make_services((delivered(2),), (ticket,))
    outcome = await run(services, "track_refund", MINE)
    assert keys(outcome) == ["track_refund.ticket"]
    assert ticket.number in said_in(services, outcome)


async def test_cancelling_asks_before_it_does() -> None:
    """The first word shows and asks; only yes cancels."""
    services = make_services((make_order(OrderState.PAID),))
    assert isinstance(services.orders, MemoryOrderSource)
    asked = await run(services, "cancel_order", MINE)
    assert asked.start_form == "cancel_order"
    assert not services.orders.cancelled
    assert keys(await submit(services, "cancel_order", filled(stage="open", sure="no"))) == ["cancel_order.kept"]
    assert not services.orders.cancelled
    assert keys(await submit(services, "cancel_order", filled(stage="open", sure="yes"))) == ["cancel_order.done"]
    assert services.orders.cancelled == ["W1234567"]


async def test_cancelling_does_not_reuse_the_yes_for_another_order() -> None:
    """A yes given for one order cancels no other, even a proved one."""
    other = make_order(OrderState.PAID, number="W2222222")
    services = make_services((make_order(OrderState.PAID), other))
    assert isinstance(services.orders, MemoryOrderSource)
    tracker = Tracker(proved_orders=("W1234567", "W2222222"))
    slots = {"order_number": "W2222222", "verified": "W1234567", "stage": "open", "sure": "yes"}
    outcome = await submit(services, "cancel_order", Said(slots=slots, tracker=tracker))
    assert keys(outcome) == ["cancel_order.shown"]
    assert not services.orders.cancelled


async def test_cancelling_a_sent_order_offers_refusal() -> None:
    """Too late is explained; refusing the parcel becomes a ticket only on yes."""
    services = make_services((make_order(),))
    assert keys(await run(services, "cancel_order", MINE)) == ["cancel_order.too_late"]
    noted = await submit(services, "cancel_order", filled(stage="sent", refuse="yes"))
    assert [ticket.kind for ticket in noted.tickets] == [TicketKind.CANCEL]
    kept = await submit(services, "cancel_order", filled(stage="sent", refuse="no"))
    assert not kept.tickets


async def test_cancelling_loses_the_race_politely() -> None:
    """An order that left between question and yes is not said to be cancelled."""
    services = make_services((make_order(OrderState.PAID),))

    class Left(MemoryOrderSource):
        async def cancel(self, number: str) -> Any:
            self.orders[number] = make_order()
            return await super().cancel(number)

    raced = replace(services, orders=Left({"W1234567": make_order(OrderState.PAID)}))
    outcome = await submit(raced, "cancel_order", filled(stage="open", sure="yes"))
    assert keys(outcome) == ["cancel_order.not_possible"]


async def test_address_wants_the_recipients_name() -> None:
    """A wrong name stops the change and counts as a wrong try; spaces and case do not matter."""
    order = make_order(OrderState.PAID, recipient="Emma Wilson")
    services = make_services((order,))
    wrong = await submit(services, "change_address", filled(stage="open", recipient="Bob"))
    assert keys(wrong) == ["change_address.wrong_recipient"]
    assert ProofFailed("W1234567") in wrong.events
    assert not wrong.start_form
    right = await submit(services, "change_address", filled(stage="open", recipient="emma wilson "))
    assert right.form_slots["stage"] == "named"
    forged = filled(stage="named", recipient="Bob", address="x", sure="yes")
    assert not (await submit(services, "change_address", forged)).tickets


async def test_address_change_becomes_a_ticket() -> None:
    """The confirmed address is filed, not done behind the shop's back."""
    services = make_services((make_order(OrderState.PAID),))
    slots = {"stage": "named", "recipient": "李小雨", "address": "上海市人民路 1 号"}
    kept = await submit(services, "change_address", filled(**slots, sure="no"))
    assert not kept.tickets
    (ticket,) = (await submit(services, "change_address", filled(**slots, sure="yes"))).tickets
    assert ticket.kind is TicketKind.CHANGE_ADDRESS
    assert ticket.details["address"] == "上海市人民路 1 号"


@pytest.mark.parametrize("intent", ["change_order", "change_address"])
@pytest.mark.parametrize("state", [OrderState.SHIPPED, OrderState.DELIVERED, OrderState.CANCELLED])
async def test_changing_too_late_is_explained(intent: str, state: OrderState) -> None:
    """What has left is not promised to change."""
    outcome = await run(make_services((make_order(state),)), intent, MINE)
    assert keys(outcome) == [f"{intent}.too_late"]
    assert not outcome.tickets


async def test_changing_an_order_files_the_wish() -> None:
    """The wish is kept word for word."""
    services = make_services((make_order(OrderState.PROCESSING),))
    (ticket,) = (await submit(services, "change_order", filled(stage="open", change="换成红色"))).tickets
    assert ticket.details == {"change": "换成红色"}
    assert "换成红色" in ticket.summary
