"""Sending goods back: request_return, request_exchange, request_refund."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bot.domain.forms import Form, SlotSpec
from bot.domain.handoff import Priority
from bot.domain.ids import new_ticket_number
from bot.domain.orders import CANCELLABLE, Order, OrderState
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Reply
from bot.domain.tickets import PROMISED_WITHIN, TicketDraft, TicketKind
from bot.domain.turns import Outcome, Turn
from handlers.answers import finder, parse_among, parse_photos, parse_text, photos_of
from handlers.order_data import order_data
from handlers.proof import HUMAN, PROOF_SLOTS, ask_on, gated, is_verified
from handlers.services import Services

REASON_WORDS = {
    "wrong_item": (
        r"发错|寄错|不是我(买|要|订)的|颜色不对|款式不对|"
        r"wrong (item|colou?r|product|one|thing)|not what i ordered"
    ),
    "missing_item": r"少发|漏发|少了|缺(了|件|少)|missing|left out|incomplete",
    "damaged": r"破|碎|裂|压坏|摔坏|漏液|damaged|broken|crack|smash|shatter|dent|torn|leak",
    "quality": (
        r"质量|坏了|瑕疵|掉色|开线|起球|不能用|用不了|做工|"
        r"quality|defect|faulty|doesn'?t work|not working|stopped"
    ),
    "not_as_described": (
        r"描述|图片不|色差|照骗|货不对板|不一样|described|"
        r"advertised|look(s)? (nothing )?(like|different)"
    ),
    "size": (
        r"尺码|尺寸|大小|太大|太小|大了|小了|偏大|偏小|紧|不合身|"
        r"size|too (big|small|large|tight|loose|long|short)|fit"
    ),
    "not_received": (
        r"没收到|未收到|没到|丢了|丢件|not (received|arrived)|"
        r"never (came|arrived|got)|didn'?t (get|receive)|lost"
    ),
    "changed_mind": (
        r"不想要|不喜欢|不要了|不需要|用不上|买多|买重|无理由|"
        r"changed my mind|don'?t (want|need|like)|no longer"
    ),
    "other": r"其他|其它|别的原因|other|something else",
}
_RETURN_REASONS = ("changed_mind", "size", "quality", "damaged", "wrong_item", "not_as_described", "other")
_EXCHANGE_REASONS = ("size", "quality", "damaged", "wrong_item", "changed_mind", "other")
_REFUND_REASONS = ("not_received", "missing_item", "damaged", "quality", "wrong_item", "not_as_described", "other")
_NO_FAULT = frozenset({"changed_mind", "size"})
_TO_SHOW = frozenset({"quality", "damaged", "wrong_item", "missing_item", "not_as_described"})
_UNDER_WAY = frozenset({OrderState.RETURN_REQUESTED, OrderState.EXCHANGE_REQUESTED, OrderState.RETURNED})

_CANCEL = Choice("/cancel_order", "intent.cancel_order")
_TRACK_REFUND = Choice("/track_refund", "intent.track_refund")
_find_reason = finder(REASON_WORDS)


def _has_several(slots: Mapping[str, Any]) -> bool:
    return is_verified(slots) and slots.get("several") == "yes"


def _can_be_shown(slots: Mapping[str, Any]) -> bool:
    return is_verified(slots) and slots.get("reason") in _TO_SHOW


def _never(_slots: Mapping[str, Any]) -> bool:
    return False


def _form(intent: str, reasons: tuple[str, ...]) -> Form:
    words = {reason: REASON_WORDS[reason] for reason in REASON_WORDS if reason in reasons}
    wish = (SlotSpec("instead", ask="request_exchange.ask_instead", parse=parse_text, wanted=is_verified),)
    return Form(
        intent,
        (
            *PROOF_SLOTS,
            SlotSpec("several", ask="aftersale.ask_item", wanted=_never),
            SlotSpec("items", ask="aftersale.ask_item", parse=parse_text, wanted=_has_several),
            SlotSpec(
                "reason", ask="aftersale.ask_reason", parse=parse_among(words), options=reasons, wanted=is_verified
            ),
            *(wish if intent == "request_exchange" else ()),
            SlotSpec("photos", ask="aftersale.ask_photos", parse=parse_photos, optional=True, wanted=_can_be_shown),
        ),
    )


_KINDS = {
    "request_return": (TicketKind.RETURN, _RETURN_REASONS),
    "request_exchange": (TicketKind.EXCHANGE, _EXCHANGE_REASONS),
    "request_refund": (TicketKind.REFUND, _REFUND_REASONS),
}


def entries(services: Services) -> dict[str, HandlerEntry]:
    """Give this family's rows of the table."""
    rows = {}
    for intent, (kind, reasons) in _KINDS.items():
        form = _form(intent, reasons)
        rows[intent] = gated(services, form, partial(_send_back, kind, form))
    return rows


async def _send_back(kind: TicketKind, form: Form, services: Services, turn: Turn, order: Order) -> Outcome:
    refused = _refuse_by_state(order)
    if refused:
        return refused
    if not turn.slots.get("reason") or not is_verified(turn.slots):
        return _ask_details(form, turn, order)
    late = _days_since_delivery(order, turn)
    if turn.slots["reason"] in _NO_FAULT and late > services.shop.return_days:
        data = {"number": order.number, "days": services.shop.return_days}
        return Outcome(replies=(Reply("aftersale.too_late", data, (HUMAN,)),))
    return _noted(kind, form, services, turn, order)


def _refuse_by_state(order: Order) -> Outcome | None:
    data = order_data(order)
    if order.state in CANCELLABLE:
        return Outcome(replies=(Reply("aftersale.not_sent", data, (_CANCEL,)),))
    if order.state is OrderState.CANCELLED or order.state is OrderState.REFUNDED:
        return Outcome(replies=(Reply("aftersale.over", data, (_TRACK_REFUND, HUMAN)),))
    if order.state in _UNDER_WAY:
        return Outcome(replies=(Reply("aftersale.under_way", data, (_TRACK_REFUND, HUMAN)),))
    return None


def _ask_details(form: Form, turn: Turn, order: Order) -> Outcome:
    data = order_data(order)
    reason_spec = form.slot("reason")
    said = _find_reason(turn.text)
    known = {"reason": said} if reason_spec and said in reason_spec.options and said != "other" else {}
    if len(order.items) == 1:
        return ask_on(form, order, (Reply("aftersale.shown", data),), several="no", **known)
    choices = tuple(Choice(f"={place}", label=item.name) for place, item in enumerate(order.items, start=1))
    everything = Choice("=all", "aftersale.all_items")
    return ask_on(form, order, (Reply("aftersale.shown", data, (*choices, everything)),), several="yes", **known)


def _days_since_delivery(order: Order, turn: Turn) -> int:
    delivered = [parcel.delivered_at for parcel in order.parcels if parcel.delivered_at]
    return (turn.now - max(delivered)).days if delivered else 0


def _item_name(order: Order, said: str) -> str:
    if said.isdigit() and 1 <= int(said) <= len(order.items):
        return order.items[int(said) - 1].name
    return "" if said == "all" or len(order.items) == 1 else said


def _noted(kind: TicketKind, form: Form, services: Services, turn: Turn, order: Order) -> Outcome:
    slots, reason = turn.slots, str(turn.slots["reason"])
    item = _item_name(order, str(slots.get("items") or "")) or "、".join(item.name for item in order.items)
    instead = str(slots.get("instead") or "")
    said = {"number": order.number, "item": item, "reason": reason, "instead": instead}
    draft = TicketDraft(
        number=new_ticket_number(),
        kind=kind,
        summary=services.say(f"{form.name}.summary", turn.locale, said),
        priority=Priority.HIGH if reason == "damaged" else Priority.NORMAL,
        category=reason,
        order_number=order.number,
        details={"item": item, "reason": reason, "instead": instead},
        photos=photos_of(slots.get("photos")),
    )
    past = _days_since_delivery(order, turn) > services.shop.fault_days
    due_at = (turn.now + PROMISED_WITHIN[draft.priority]).isoformat()
    data = said | {"ticket": draft.number, "due_at": due_at, "past_fault_days": past}
    return Outcome(replies=(Reply(f"{form.name}.noted", data),), tickets=(draft,))
