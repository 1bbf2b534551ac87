"""Where an order is: track_order, order_status, urge_shipping, track_refund."""

from __future__ import annotations

from bot.domain.forms import Form
from bot.domain.handoff import Priority
from bot.domain.ids import new_ticket_number
from bot.domain.orders import CANCELLABLE, Order, OrderState
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Reply
from bot.domain.tickets import PROMISED_WITHIN, Ticket, TicketDraft, TicketKind, TicketState
from bot.domain.turns import Outcome, Turn
from handlers.order_data import order_data, parcel_data
from handlers.proof import HUMAN, PROOF_SLOTS, gated
from handlers.services import Services

_REFUND_KINDS = frozenset({TicketKind.RETURN, TicketKind.REFUND, TicketKind.CANCEL})
_ENDED = frozenset({TicketState.SOLVED, TicketState.CLOSED})
_MONEY_UNDER_WAY = frozenset({OrderState.RETURN_REQUESTED, OrderState.RETURNED, OrderState.CANCELLED})
_NOT_SENT = frozenset({OrderState.PAID, OrderState.PROCESSING})

_URGE = Choice("/urge_shipping", "intent.urge_shipping")
_CANCEL = Choice("/cancel_order", "intent.cancel_order")
_ADDRESS = Choice("/change_address", "intent.change_address")
_COMPLAIN = Choice("/file_complaint", "intent.file_complaint")
_RETURN = Choice("/request_return", "intent.request_return")
_TRACK = Choice("/track_order", "intent.track_order")
_REFUND = Choice("/request_refund", "intent.request_refund")


def entries(services: Services) -> dict[str, HandlerEntry]:
    """Give this family's rows of the table."""
    return {
        "track_order": gated(services, Form("track_order", PROOF_SLOTS), _track),
        "order_status": gated(services, Form("order_status", PROOF_SLOTS), _state),
        "urge_shipping": gated(services, Form("urge_shipping", PROOF_SLOTS), _urge),
        "track_refund": gated(services, Form("track_refund", PROOF_SLOTS), _refund),
    }


async def _track(_services: Services, turn: Turn, order: Order) -> Outcome:
    return Outcome(replies=(_tracked(turn, order),))


def _tracked(turn: Turn, order: Order) -> Reply:
    data = order_data(order) | {"parcels": [parcel_data(parcel, turn.now) for parcel in order.parcels]}
    return Reply("track_order.found", data | {"is_late": _is_late(order, turn)}, _next_steps(turn, order), card=True)


async def _state(_services: Services, turn: Turn, order: Order) -> Outcome:
    data = order_data(order) | {"is_late": _is_late(order, turn)}
    choices = (_TRACK, *_next_steps(turn, order)) if order.parcels else _next_steps(turn, order)
    return Outcome(replies=(Reply("order_status.found", data, choices[:3], card=True),))


def _is_late(order: Order, turn: Turn) -> bool:
    promised = order.promised_ship_at
    return order.state in _NOT_SENT and promised is not None and promised < turn.now


def _next_steps(turn: Turn, order: Order) -> tuple[Choice, ...]:
    if order.state in _NOT_SENT:
        return (_URGE, _CANCEL) if _is_late(order, turn) else (_ADDRESS, _CANCEL)
    if order.state in CANCELLABLE:
        return (_CANCEL,)
    if order.state is OrderState.SHIPPED:
        return (_COMPLAIN, HUMAN) if any(parcel.exception for parcel in order.parcels) else ()
    return (_RETURN, _COMPLAIN) if order.state is OrderState.DELIVERED else ()


async def _urge(services: Services, turn: Turn, order: Order) -> Outcome:
    if order.state not in _NOT_SENT:
        # Sent, delivered, unpaid or called off: what helps is to hear where it is.
        return Outcome(replies=(_tracked(turn, order),))
    data = order_data(order)
    if not _is_late(order, turn):
        return Outcome(replies=(Reply("urge_shipping.in_time", data, (_CANCEL,)),))
    known = await _open_ticket(services, turn, order, frozenset({TicketKind.SHIPPING}))
    if known:
        again = {"ticket": known.number, "due_at": known.due_at.isoformat(), **data}
        return Outcome(replies=(Reply("urge_shipping.already", again, (_CANCEL, HUMAN)),))
    ticket = TicketDraft(
        number=new_ticket_number(),
        kind=TicketKind.SHIPPING,
        summary=services.say("urge_shipping.summary", turn.locale, {"number": order.number}),
        priority=Priority.HIGH,
        category="late",
        order_number=order.number,
    )
    due_at = (turn.now + PROMISED_WITHIN[ticket.priority]).isoformat()
    late = Reply("urge_shipping.late", {"ticket": ticket.number, "due_at": due_at, **data}, (_CANCEL, HUMAN))
    return Outcome(replies=(late,), tickets=(ticket,))


async def _refund(services: Services, turn: Turn, order: Order) -> Outcome:
    data = order_data(order)
    if order.state is OrderState.REFUNDED or order.refunded_at:
        return Outcome(replies=(Reply("track_refund.paid", data, (HUMAN,)),))
    ticket = await _open_ticket(services, turn, order, _REFUND_KINDS)
    if ticket:
        more = {"ticket": ticket.number, "ticket_state": ticket.state.value, "due_at": ticket.due_at.isoformat()}
        return Outcome(replies=(Reply("track_refund.ticket", data | more),))
    if order.state in _MONEY_UNDER_WAY:
        return Outcome(replies=(Reply("track_refund.under_way", data, (HUMAN,)),))
    return Outcome(replies=(Reply("track_refund.none", data, (_REFUND,)),))


async def _open_ticket(services: Services, turn: Turn, order: Order, kinds: frozenset[TicketKind]) -> Ticket | None:
    for ticket in await services.tickets.of_customer(turn.customer.id):
        if ticket.order_number == order.number and ticket.kind in kinds and ticket.state not in _ENDED:
            return ticket
    return None
