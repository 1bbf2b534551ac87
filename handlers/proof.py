"""Whose order it is: nothing about an order is said before its number and the phone's last four digits match."""

from __future__ import annotations

import hmac
import math
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from bot.domain.events import Event, OrderProved, ProofFailed
from bot.domain.forms import Form, SlotSpec
from bot.domain.orders import Order
from bot.domain.ports import HandlerEntry
from bot.domain.replies import Choice, Reply
from bot.domain.turns import Outcome, ProofAttempt, Turn
from handlers.answers import last4_said, parse_order_number, parse_phone_last4
from handlers.services import Services

MAX_FAILURES = 3
LOCK_WINDOW = timedelta(minutes=30)
_ANOTHER_ORDER = re.compile(r"另|别的|其他|其它|其餘|other|another|different|second one", re.IGNORECASE)

HUMAN = Choice("/request_human", "intent.request_human")


def canonical(number: str) -> str:
    """Write an order number the way the ledger keeps it: no spaces, no ``#``, capitals."""
    return re.sub(r"[\s#]", "", number).upper()


def is_verified(slots: Mapping[str, Any]) -> bool:
    """Tell whether the order now in the form is the one that was proved; a corrected number asks again."""
    return bool(slots.get("verified")) and canonical(str(slots.get("order_number", ""))) == slots["verified"]


def _needs_phone(slots: Mapping[str, Any]) -> bool:
    number = canonical(str(slots.get("order_number", "")))
    return not is_verified(slots) and number not in (slots.get("proved") or ())


def _never(_slots: Mapping[str, Any]) -> bool:
    return False


PROOF_SLOTS = (
    SlotSpec("order_number", ask="proof.ask_order", entity="order_number", parse=parse_order_number),
    SlotSpec("phone_last4", ask="proof.ask_phone", entity="phone", parse=parse_phone_last4, wanted=_needs_phone),
    # Kept with the form, never asked: orders proved before, and the one proved for this form.
    SlotSpec("proved", ask="proof.ask_order", wanted=_never),
    SlotSpec("verified", ask="proof.ask_order", wanted=_never),
)


@dataclass(frozen=True, slots=True)
class Proved:
    """An order that is the shopper's, with what proving it just now leaves behind."""

    order: Order
    events: tuple[Event, ...] = ()
    attempts: tuple[ProofAttempt, ...] = ()


Act = Callable[[Services, Turn, Order], Awaitable[Outcome]]
"""What is done once the order is proved; called again with ``turn.slots`` when its own questions are answered."""


def gated(services: Services, form: Form, act: Act) -> HandlerEntry:
    """Make the table row of an intent that works on a proved order."""
    return HandlerEntry(run=partial(_run, services, form, act), form=form, submit=partial(_submit, services, form, act))


def ask_on(form: Form, order: Order, replies: tuple[Reply, ...] = (), **slots: Any) -> Outcome:
    """Go on asking: open the form again with the order proved, so that its further questions are wanted."""
    number = canonical(order.number)
    return Outcome(
        replies=replies,
        start_form=form.name,
        form_slots={"order_number": number, "verified": number, **slots},
    )


def proved_now(order_number: str, tracker_orders: tuple[str, ...]) -> bool:
    """Tell whether the order was proved earlier in this conversation."""
    return canonical(order_number) in {canonical(one) for one in tracker_orders}


async def _run(services: Services, form: Form, act: Act, turn: Turn) -> Outcome:
    gate = await _open_gate(services, form, turn)
    return gate if isinstance(gate, Outcome) else _with_proof(await act(services, turn, gate.order), gate)


async def _submit(services: Services, form: Form, act: Act, turn: Turn) -> Outcome:
    number = str(turn.slots.get("order_number", ""))
    gate = await _verify(services, form, turn, number, _last4(str(turn.slots.get("phone_last4", ""))))
    return gate if isinstance(gate, Outcome) else _with_proof(await act(services, turn, gate.order), gate)


async def _open_gate(services: Services, form: Form, turn: Turn) -> Proved | Outcome:
    number = canonical(turn.recognition.entity("order_number"))
    proved = turn.tracker.proved_orders
    if not number and len(proved) == 1 and not _ANOTHER_ORDER.search(turn.text):
        number = proved[0]
    if number and proved_now(number, proved):
        return await _verify(services, form, turn, number, "")
    if await _is_locked(services, turn, number):
        return _locked()
    if wait := await services.networks.wait(turn.network):
        return _crowded(wait)
    last4 = _last4_in(turn)
    if number and last4:
        return await _verify(services, form, turn, number, last4)
    return _ask(form, number, last4, proved)


def _last4_in(turn: Turn) -> str:
    return _last4(turn.recognition.entity("phone")) or last4_said(turn.text)


def _last4(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-4:]


def _ask(form: Form, number: str, last4: str, proved: tuple[str, ...]) -> Outcome:
    slots: dict[str, Any] = {"proved": [canonical(one) for one in proved]}
    if number:
        slots["order_number"] = number
    if last4:
        slots["phone_last4"] = last4
    replies: tuple[Reply, ...] = ()
    if proved and not number:
        choices = tuple(Choice(f"={one}", label=one) for one in reversed(proved))
        replies = (Reply("proof.which_order", {"count": len(proved)}, choices),)
    return Outcome(replies=replies, start_form=form.name, form_slots=slots)


async def _verify(services: Services, form: Form, turn: Turn, number: str, last4: str) -> Proved | Outcome:
    if not proved_now(number, turn.tracker.proved_orders):
        return await _check(services, form, turn, number, last4)
    order = await services.orders.find(number)
    # An order proved earlier may have been taken out of the shop's list meanwhile.
    return Proved(order) if order else Outcome(replies=(Reply("proof.gone", {"number": number}, (HUMAN,)),))


async def _check(services: Services, form: Form, turn: Turn, number: str, last4: str) -> Proved | Outcome:
    order = await services.orders.find(number)
    key = canonical(order.number if order else number)
    if await _is_locked(services, turn, key):
        return _locked()
    begun = await services.networks.begin(turn.network)
    if begun is None:
        return _crowded(await services.networks.wait(turn.network))
    # One path for "no such order" and "wrong digits": the shopper, and a thief, hear the same.
    expected = order.phone_last4 if order else ""
    if order and expected and hmac.compare_digest(expected.encode(), last4.encode()):
        await services.networks.forgive(turn.network, begun)
        return Proved(order, (OrderProved(key),), (ProofAttempt(key, right=True),))
    return await _refuse(services, form, turn, key)


async def _refuse(services: Services, form: Form, turn: Turn, number: str) -> Outcome:
    failures = 1 + await services.proofs.failures(turn.customer.id, number, turn.now - LOCK_WINDOW)
    marks = Outcome(events=(ProofFailed(number),), proof_attempts=(ProofAttempt(number, right=False),))
    if failures >= MAX_FAILURES:
        return replace(marks, replies=_locked().replies)
    if wait := await services.networks.wait(turn.network):
        return replace(marks, replies=_crowded(wait).replies)
    reply = Reply("proof.wrong", {"number": number, "tries_left": MAX_FAILURES - failures})
    return replace(marks, replies=(reply,), start_form=form.name, form_slots={"order_number": number})


async def _is_locked(services: Services, turn: Turn, number: str) -> bool:
    return await services.proofs.failures(turn.customer.id, number, turn.now - LOCK_WINDOW) >= MAX_FAILURES


def _locked() -> Outcome:
    minutes = int(LOCK_WINDOW.total_seconds() // 60)
    return Outcome(replies=(Reply("proof.locked", {"minutes": minutes}, (HUMAN,)),))


def _crowded(wait: timedelta) -> Outcome:
    """Say that too many tries came from the shopper's network address, be they his own or not."""
    minutes = max(1, math.ceil(wait.total_seconds() / 60))
    return Outcome(replies=(Reply("proof.crowded", {"minutes": minutes}, (HUMAN,)),))


def _with_proof(outcome: Outcome, proved: Proved) -> Outcome:
    return replace(
        outcome,
        events=(*proved.events, *outcome.events),
        proof_attempts=(*proved.attempts, *outcome.proof_attempts),
    )
