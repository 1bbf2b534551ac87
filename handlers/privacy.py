"""What the shopper allows and owns: subscribe, unsubscribe, export_my_data, erase_my_data."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

from bot.domain.events import ContactPolicySet
from bot.domain.forms import Form, SlotSpec
from bot.domain.ids import new_ticket_number
from bot.domain.orders import Order
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Reply
from bot.domain.tickets import TicketDraft, TicketKind
from bot.domain.turns import Outcome, Turn
from handlers.answers import parse_yes_no
from handlers.proof import PROOF_SLOTS, ask_on, gated, is_verified
from handlers.services import Services

EXPORT_FORM = Form("export_my_data", PROOF_SLOTS)
ERASE_FORM = Form(
    "erase_my_data",
    (
        *PROOF_SLOTS,
        SlotSpec("sure", ask="erase_my_data.ask_sure", parse=parse_yes_no, options=("yes", "no"), wanted=is_verified),
    ),
)


def entries(services: Services) -> dict[str, HandlerEntry]:
    """Give this family's rows of the table."""
    return {
        "subscribe": HandlerEntry(partial(_set_policy, allowed=True)),
        "unsubscribe": HandlerEntry(partial(_set_policy, allowed=False)),
        "export_my_data": gated(services, EXPORT_FORM, _export),
        "erase_my_data": gated(services, ERASE_FORM, _erase),
    }


async def _set_policy(_turn: Turn, *, allowed: bool) -> Outcome:
    if allowed:
        reply = Reply("subscribe.done", {}, (Choice("/unsubscribe", "intent.unsubscribe"),))
    else:
        reply = Reply("unsubscribe.done", {}, (Choice("/subscribe", "intent.subscribe"),))
    return Outcome(replies=(reply,), events=(ContactPolicySet(allowed),), messages_allowed=allowed)


async def _export(services: Services, turn: Turn, order: Order) -> Outcome:
    return _noted(services, turn, order, "export_my_data")


async def _erase(services: Services, turn: Turn, order: Order) -> Outcome:
    if not is_verified(turn.slots) or not turn.slots.get("sure"):
        return ask_on(ERASE_FORM, order)
    if turn.slots["sure"] != "yes":
        return Outcome(replies=(Reply("erase_my_data.kept"),))
    return _noted(services, turn, order, "erase_my_data")


def _noted(services: Services, turn: Turn, order: Order, intent: str) -> Outcome:
    due_at = turn.now + timedelta(days=services.shop.privacy_days)
    draft = TicketDraft(
        number=new_ticket_number(),
        kind=TicketKind.PRIVACY,
        summary=services.say(f"{intent}.summary", turn.locale, {"number": order.number}),
        category=intent.partition("_")[0],
        order_number=order.number,
        due_at=due_at,
    )
    data = {"ticket": draft.number, "due_at": due_at.isoformat(), "days": services.shop.privacy_days}
    return Outcome(replies=(Reply(f"{intent}.noted", data),), tickets=(draft,))
