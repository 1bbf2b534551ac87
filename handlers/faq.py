"""Questions of knowledge: every intent under ``faq/``."""

from __future__ import annotations

from functools import partial

from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Reply
from bot.domain.turns import Outcome, Turn
from handlers.proof import HUMAN
from handlers.services import Services

_DO_IT = {
    "faq/return_policy": "request_return",
    "faq/exchange_policy": "request_exchange",
    "faq/refund_time": "track_refund",
    "faq/cancel_policy": "cancel_order",
    "faq/invoice": "request_invoice",
    "faq/delivery_time": "track_order",
    "faq/change_order_how": "change_order",
    "faq/contact": "request_human",
    "faq/business_hours": "request_human",
    "faq/privacy": "export_my_data",
    "faq/delete_account": "erase_my_data",
    "faq/newsletter": "unsubscribe",
}
"""What a shopper who asks about a rule may want to do next."""


def entries(services: Services) -> dict[str, HandlerEntry]:
    """Give the one row that answers all topics."""
    return {"faq": HandlerEntry(partial(_answer, services))}


async def _answer(services: Services, turn: Turn) -> Outcome:
    entry = services.knowledge.entry(turn.intent)
    answer = entry.answer_in(turn.locale.base) if entry else ""
    if not answer:
        return Outcome(replies=(Reply("faq.unknown", {}, (HUMAN,)),))
    follow = _DO_IT.get(turn.intent)
    choices = (Choice(f"/{follow}", f"intent.{follow}"),) if follow else ()
    return Outcome(replies=(Reply("faq.answer", {"answer": answer}, choices),))
