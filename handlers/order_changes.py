"""Changing an order that is proved: cancel_order, change_order, change_address."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from bot.domain.errors import Conflict, NotFound
from bot.domain.events import ProofFailed
from bot.domain.forms import Form, SlotSpec
from bot.domain.handoff import Priority
from bot.domain.ids import new_ticket_number
from bot.domain.orders import CANCELLABLE, Order, OrderState
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Reply
from bot.domain.tickets import PROMISED_WITHIN, TicketDraft, TicketKind
from bot.domain.turns import Outcome, ProofAttempt, Turn
from handlers.answers import parse_text, parse_yes_no
from handlers.order_data import order_data
from handlers.proof import HUMAN, PROOF_SLOTS, ask_on, canonical, gated, is_verified
from handlers.services import Services

_YES_NO = ("yes", "no")
_RETURN = Choice("/request_return", "intent.request_return")
_EXCHANGE = Choice("/request_exchange", "intent.request_exchange")
_TRACK = Choice("/track_order", "intent.track_order")


def _still_here(slots: Mapping[str, Any]) -> bool:
    return is_verified(slots) and slots.get("stage") == "open"


def _named(slots: Mapping[str, Any]) -> bool:
    return is_verified(slots) and slots.get("stage") == "named"


def _on_the_way(slots: Mapping[str, Any]) -> bool:
    return is_verified(slots) and slots.get("stage") == "sent"


def _never(_slots: Mapping[str, Any]) -> bool:
    return False


_STAGE = SlotSpec("stage", ask="proof.ask_order", wanted=_never)

CANCEL_FORM = Form(
    "cancel_order",
    (
        *PROOF_SLOTS,
        _STAGE,
        SlotSpec("sure", ask="cancel_order.ask_sure", parse=parse_yes_no, options=_YES_NO, wanted=_still_here),
        SlotSpec("refuse", ask="cancel_order.ask_refuse", parse=parse_yes_no, options=_YES_NO, wanted=_on_the_way),
    ),
)
CHANGE_FORM = Form(
    "change_order",
    (*PROOF_SLOTS, _STAGE, SlotSpec("change", ask="change_order.ask_change", parse=parse_text, wanted=_still_here)),
)
ADDRESS_FORM = Form(
    "change_address",
    (
        *PROOF_SLOTS,
        _STAGE,
        SlotSpec("recipient", ask="change_address.ask_recipient", parse=parse_text, wanted=_still_here),
        SlotSpec("address", ask="change_address.ask_address", parse=parse_text, wanted=_named),
        SlotSpec("sure", ask="change_address.ask_sure", parse=parse_yes_no, options=_YES_NO, wanted=_named),
    ),
)


def entries(services: Services) -> dict[str, HandlerEntry]:
    """Give this family's rows of the table."""
    return {
        "cancel_order": gated(services, CANCEL_FORM, _cancel),
        "change_order": gated(services, CHANGE_FORM, _change),
        "change_address": gated(services, ADDRESS_FORM, _change_address),
    }


async def _cancel(services: Services, turn: Turn, order: Order) -> Outcome:
    if turn.slots.get("refuse"):
        return _refuse_parcel(services, turn, order)
    if order.state not in CANCELLABLE:
        return _too_late(order)
    data = order_data(order)
    if not is_verified(turn.slots) or not turn.slots.get("sure"):
        return ask_on(CANCEL_FORM, order, (Reply("cancel_order.shown", data),), stage="open")
    if turn.slots["sure"] != "yes":
        return Outcome(replies=(Reply("cancel_order.kept", data),))
    return await _call_off(services, order)


def _too_late(order: Order) -> Outcome:
    data = order_data(order)
    if order.state is OrderState.SHIPPED:
        return ask_on(CANCEL_FORM, order, (Reply("cancel_order.too_late", data),), stage="sent")
    if order.state is OrderState.CANCELLED:
        return Outcome(replies=(Reply("cancel_order.already", data),))
    choices = (_RETURN, HUMAN) if order.state is OrderState.DELIVERED else (HUMAN,)
    return Outcome(replies=(Reply("cancel_order.not_possible", data, choices),))


async def _call_off(services: Services, order: Order) -> Outcome:
    was_paid = order.state is not OrderState.PENDING_PAYMENT
    try:
        cancelled = await services.orders.cancel(order.number)
    except (Conflict, NotFound):
        # It left the warehouse while we were talking.
        return Outcome(replies=(Reply("cancel_order.not_possible", order_data(order), (HUMAN,)),))
    data = order_data(cancelled) | {"was_paid": was_paid}
    return Outcome(replies=(Reply("cancel_order.done", data),))


def _refuse_parcel(services: Services, turn: Turn, order: Order) -> Outcome:
    if turn.slots["refuse"] != "yes":
        return Outcome(replies=(Reply("cancel_order.kept", order_data(order), (_TRACK,)),))
    summary = services.say("cancel_order.summary", turn.locale, {"number": order.number})
    draft = _draft(TicketKind.CANCEL, summary, order)
    return _ticketed("cancel_order.refusal_noted", draft, turn)


async def _change(services: Services, turn: Turn, order: Order) -> Outcome:
    data = order_data(order)
    if order.state not in CANCELLABLE:
        choices = (_EXCHANGE, HUMAN) if order.state in {OrderState.SHIPPED, OrderState.DELIVERED} else (HUMAN,)
        return Outcome(replies=(Reply("change_order.too_late", data, choices),))
    wanted = str(turn.slots.get("change") or "")
    if not wanted:
        return ask_on(CHANGE_FORM, order, (Reply("change_order.shown", data),), stage="open")
    summary = services.say("change_order.summary", turn.locale, {"number": order.number, "change": wanted})
    draft = replace(_draft(TicketKind.CHANGE_ORDER, summary, order), details={"change": wanted})
    return _ticketed("change_order.noted", draft, turn)


async def _change_address(services: Services, turn: Turn, order: Order) -> Outcome:
    if order.state not in CANCELLABLE:
        return Outcome(replies=(Reply("change_address.too_late", order_data(order), (_TRACK, HUMAN)),))
    recipient, slots = str(turn.slots.get("recipient") or ""), turn.slots
    if not recipient:
        return ask_on(ADDRESS_FORM, order, stage="open")
    if order.recipient and _letters(recipient) != _letters(order.recipient):
        return _wrong_recipient(order)
    if not slots.get("address"):
        return ask_on(ADDRESS_FORM, order, stage="named", recipient=recipient)
    if slots.get("sure") != "yes":
        return Outcome(replies=(Reply("change_address.kept"),))
    address = str(slots["address"])
    summary = services.say("change_address.summary", turn.locale, {"number": order.number, "address": address})
    draft = replace(_draft(TicketKind.CHANGE_ADDRESS, summary, order), details={"address": address})
    return _ticketed("change_address.noted", draft, turn)


def _wrong_recipient(order: Order) -> Outcome:
    # Sending goods elsewhere needs more than number and digits; a wrong name counts as a wrong try.
    number = canonical(order.number)
    return Outcome(
        replies=(Reply("change_address.wrong_recipient", {}, (HUMAN,)),),
        events=(ProofFailed(number),),
        proof_attempts=(ProofAttempt(number, right=False),),
    )


def _letters(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(char for char in folded if char.isalnum())


def _draft(kind: TicketKind, summary: str, order: Order) -> TicketDraft:
    # Whatever stops or turns a parcel is a race against the warehouse.
    return TicketDraft(new_ticket_number(), kind, summary, Priority.HIGH, order_number=order.number)


def _ticketed(key: str, draft: TicketDraft, turn: Turn) -> Outcome:
    due_at = (turn.now + PROMISED_WITHIN[draft.priority]).isoformat()
    data = {"ticket": draft.number, "due_at": due_at, "number": draft.order_number}
    return Outcome(replies=(Reply(key, data),), tickets=(draft,))
