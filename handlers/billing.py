"""Money on paper and money gone wrong: request_invoice, payment_problem."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bot.domain.forms import Form, SlotSpec
from bot.domain.handoff import Priority
from bot.domain.ids import new_ticket_number
from bot.domain.orders import Order, OrderState
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Reply
from bot.domain.tickets import PROMISED_WITHIN, TicketDraft, TicketKind
from bot.domain.turns import Outcome, Turn
from handlers.answers import (
    finder,
    parse_among,
    parse_email,
    parse_optional_order,
    parse_tax_number,
    parse_text,
    tells_a_story,
)
from handlers.proof import HUMAN, PROOF_SLOTS, ask_on, gated, is_verified
from handlers.services import Services

_TITLE_WORDS = {
    "company": r"公司|企业|单位|对公|company|business|corporate|firm|employer",
    "personal": r"个人|私人|自己|personal|private|individual|myself|just me",
}
_PROBLEM_WORDS = {
    "charged_twice": r"两次|重复|两遍|二次|twice|double|two times|duplicate",
    "not_credited": (
        r"没到账|未付款|待付款|显示没付|没生成|still (says|shows)|"
        r"unpaid|not credited|didn'?t register|no order"
    ),
    "wrong_amount": r"多扣|多收|金额|不对|少(退|优惠)|wrong amount|overcharg|too much|more than|incorrect",
    "failed": r"失败|付不了|支付不了|付不上|不成功|fail|declin|reject|can'?t pay|won'?t go through|error",
    "other": r"其他|其它|别的|other|something else",
}


def _for_company(slots: Mapping[str, Any]) -> bool:
    return is_verified(slots) and slots.get("title_kind") == "company"


INVOICE_FORM = Form(
    "request_invoice",
    (
        *PROOF_SLOTS,
        SlotSpec(
            "title_kind",
            ask="request_invoice.ask_title_kind",
            parse=parse_among(_TITLE_WORDS),
            options=("personal", "company"),
            wanted=is_verified,
        ),
        SlotSpec("title", ask="request_invoice.ask_title", parse=parse_text, wanted=is_verified),
        SlotSpec("tax_number", ask="request_invoice.ask_tax_number", parse=parse_tax_number, wanted=_for_company),
        SlotSpec("email", ask="request_invoice.ask_email", parse=parse_email, entity="email", wanted=is_verified),
    ),
)
PAYMENT_FORM = Form(
    "payment_problem",
    (
        SlotSpec(
            "problem",
            ask="payment_problem.ask_problem",
            parse=parse_among(_PROBLEM_WORDS),
            options=("charged_twice", "failed", "wrong_amount", "not_credited", "other"),
        ),
        SlotSpec(
            "order_number",
            ask="payment_problem.ask_order",
            entity="order_number",
            parse=parse_optional_order,
            optional=True,
        ),
        SlotSpec("story", ask="payment_problem.ask_story", parse=parse_text),
    ),
)
_find_problem = finder(_PROBLEM_WORDS)


def entries(services: Services) -> dict[str, HandlerEntry]:
    """Give this family's rows of the table."""
    return {
        "request_invoice": gated(services, INVOICE_FORM, _invoice),
        "payment_problem": HandlerEntry(_start_payment, PAYMENT_FORM, partial(_note_payment, services)),
    }


async def _invoice(services: Services, turn: Turn, order: Order) -> Outcome:
    if order.state in {OrderState.PENDING_PAYMENT, OrderState.CANCELLED, OrderState.REFUNDED}:
        data = {"number": order.number, "state": order.state.value}
        return Outcome(replies=(Reply("request_invoice.not_possible", data, (HUMAN,)),))
    slots = turn.slots
    if not slots.get("email"):
        return ask_on(INVOICE_FORM, order)
    said = {name: str(slots.get(name) or "") for name in ("title_kind", "title", "tax_number", "email")}
    draft = TicketDraft(
        number=new_ticket_number(),
        kind=TicketKind.INVOICE,
        summary=services.say("request_invoice.summary", turn.locale, said | {"number": order.number}),
        category=said["title_kind"],
        order_number=order.number,
        details=said,
    )
    data = said | _promise(draft, turn) | {"number": order.number}
    return Outcome(replies=(Reply("request_invoice.noted", data),), tickets=(draft,))


async def _start_payment(turn: Turn) -> Outcome:
    known: dict[str, Any] = {}
    problem = _find_problem(turn.text)
    if problem and problem != "other":
        known["problem"] = problem
    number = turn.recognition.entity("order_number") or "".join(turn.tracker.proved_orders[-1:])
    if number:
        known["order_number"] = number
    if tells_a_story(turn.text):
        known["story"] = turn.text
    return Outcome(replies=(Reply("payment_problem.sorry"),), start_form=PAYMENT_FORM.name, form_slots=known)


async def _note_payment(services: Services, turn: Turn) -> Outcome:
    problem, story = str(turn.slots.get("problem") or "other"), str(turn.slots.get("story") or "")
    draft = TicketDraft(
        number=new_ticket_number(),
        kind=TicketKind.PAYMENT,
        summary=services.say("payment_problem.summary", turn.locale, {"problem": problem, "story": story[:200]}),
        priority=Priority.URGENT,
        category=problem,
        order_number=str(turn.slots.get("order_number") or ""),
        details={"problem": problem, "story": story},
    )
    return Outcome(
        replies=(Reply("payment_problem.noted", _promise(draft, turn) | {"problem": problem}),), tickets=(draft,)
    )


def _promise(draft: TicketDraft, turn: Turn) -> dict[str, str]:
    return {"ticket": draft.number, "due_at": (turn.now + PROMISED_WITHIN[draft.priority]).isoformat()}
