"""Returns, exchanges and refunds: policy, questions, tickets."""

from __future__ import annotations

from typing import Any

import pytest

from bot.domain.orders import Order, OrderItem, OrderState
from bot.domain.tickets import TicketKind
from bot.domain.tracker import Tracker
from handlers import build_handlers
from tests.unit.handlers.fakes import Said, delivered, keys, make_order, make_services, run, said_in, submit

INTENTS = ("request_return", "request_exchange", "request_refund")
PROVED = Tracker(proved_orders=("W1234567",))


def filled(**slots: Any) -> Said:
    """Say everything the second stage knows."""
    base = {"order_number": "W1234567", "verified": "W1234567", "several": "no"}
    return Said(slots=base | slots, tracker=PROVED)


@pytest.mark.parametrize("intent", INTENTS)
@pytest.mark.parametrize(
    ("state", "key"),
    [
        (OrderState.PENDING_PAYMENT, "aftersale.not_sent"),
        (OrderState.PROCESSING, "aftersale.not_sent"),
        (OrderState.CANCELLED, "aftersale.over"),
        (OrderState.REFUNDED, "aftersale.over"),
        (OrderState.RETURN_REQUESTED, "aftersale.under_way"),
        (OrderState.EXCHANGE_REQUESTED, "aftersale.under_way"),
        (OrderState.RETURNED, "aftersale.under_way"),
    ],
)
async def test_aftersale_refuses_orders_in_no_state_for_it(intent: str, state: OrderState, key: str) -> None:
    """What cannot be sent back is explained, with the way that helps."""
    outcome = await run(make_services((make_order(state),)), intent, Said("办一下", tracker=PROVED))
    assert keys(outcome) == [key]
    assert outcome.replies[0].choices


@pytest.mark.parametrize(
    ("intent", "kind"),
    [*zip(INTENTS, (TicketKind.RETURN, TicketKind.EXCHANGE, TicketKind.REFUND), strict=True)],
)
async def test_aftersale_ends_in_a_ticket(intent: str, kind: TicketKind) -> None:
    """Item, reason and photos are on the ticket, and its number is said."""
    services = make_services((delivered(2),))
    outcome = await submit(services, intent, filled(reason="damaged", instead="一个新的", photos=["m1", "m2"]))
    (ticket,) = outcome.tickets
    assert (ticket.kind, ticket.category, ticket.photos) == (kind, "damaged", ("m1", "m2"))
    assert ticket.details["item"] == "电热水壶"
    assert ticket.number in said_in(services, outcome)


@pytest.mark.parametrize(("days", "is_late"), [(0, False), (7, False), (8, True), (40, True)])
async def test_return_without_a_fault_ends_after_seven_days(days: int, is_late: bool) -> None:
    """The policy is counted from delivery."""
    services = make_services((delivered(days),))
    outcome = await submit(services, "request_return", filled(reason="changed_mind"))
    assert (keys(outcome) == ["aftersale.too_late"]) is is_late
    assert bool(outcome.tickets) is not is_late


async def test_fault_after_fifteen_days_is_still_taken() -> None:
    """A late fault goes to a person who checks the warranty."""
    services = make_services((delivered(40),))
    outcome = await submit(services, "request_exchange", filled(reason="quality", instead="换新"))
    assert outcome.tickets
    assert "保修" in said_in(services, outcome)


async def test_reason_told_at_once_is_not_asked_again() -> None:
    """A reason in the opening words is taken over."""
    services = make_services((delivered(2),))
    outcome = await run(services, "request_exchange", Said("衣服太小了想换个大的", tracker=PROVED))
    assert outcome.form_slots["reason"] == "size"
    outcome = await run(services, "request_refund", Said("太小了", tracker=PROVED))
    assert "reason" not in outcome.form_slots, "size is no reason this form offers"


def two_items() -> Order:
    """Make an order of two items."""
    order = delivered(2)
    return delivered(2, items=(*order.items, OrderItem("马克杯", 2, order.total)))


@pytest.mark.parametrize(
    ("said", "item"), [("2", "马克杯"), ("马克杯", "马克杯"), ("all", "电热水壶、马克杯"), ("9", "9")]
)
async def test_item_of_several_is_asked_for(said: str, item: str) -> None:
    """Several items are offered as buttons; number, name or all is understood."""
    services = make_services((two_items(),))
    asked = await run(services, "request_return", Said("我要退货", tracker=PROVED))
    assert [choice.payload for choice in asked.replies[0].choices] == ["=1", "=2", "=all"]
    slots = dict(asked.form_slots) | {"items": said, "reason": "quality"}
    (ticket,) = (await submit(services, "request_return", Said(slots=slots, tracker=PROVED))).tickets
    assert ticket.details["item"] == item


@pytest.mark.parametrize(("reason", "is_asked"), [("damaged", True), ("quality", True), ("changed_mind", False)])
def test_photos_are_asked_where_they_help(reason: str, is_asked: bool) -> None:
    """Nobody is asked for a picture of a change of mind."""
    form = build_handlers(make_services())["request_return"].form
    assert form is not None
    photos = form.slot("photos")
    assert photos is not None
    assert photos.wanted is not None
    assert photos.wanted({"order_number": "W1", "verified": "W1", "reason": reason}) is is_asked
