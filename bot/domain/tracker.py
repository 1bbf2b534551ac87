"""The state of a conversation, folded from its events.

A Tracker is a value: ``fold`` returns a new one. It is small and bounded, so that a snapshot of it can be stored with
the conversation and the cost of a turn does not grow with the conversation's length.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from typing import Any

from bot.domain import events as ev

_KEPT_PROVED_ORDERS = 5


@dataclass(frozen=True, slots=True)
class Tracker:
    """What the bot remembers of this conversation.

    ``form`` is the open form (``""``: none), ``slots`` its values so far, ``asked_slot`` the open question with
    ``asked_options`` in the order of the buttons. ``misses`` counts messages in a row that were not understood.
    ``clarify_intents`` are the choices of an open clarification. ``proved_orders`` is most recent last.
    ``rejections`` counts answers to the open question that could not be taken, ``unanswered`` the shopper's messages
    since anyone spoke to him.
    """

    form: str = ""
    form_intent: str = ""
    slots: Mapping[str, Any] = field(default_factory=dict)
    asked_slot: str = ""
    asked_options: tuple[str, ...] = ()
    clarify_intents: tuple[str, ...] = ()
    clarify_text: str = ""
    misses: int = 0
    proved_orders: tuple[str, ...] = ()
    proof_failures: int = 0
    last_intent: str = ""
    last_replies: tuple[str, ...] = ()
    last_buttons: tuple[Mapping[str, str], ...] = ()
    ticket_numbers: tuple[str, ...] = ()
    handoffs: int = 0
    customer_turns: int = 0
    rejections: int = 0
    unanswered: int = 0

    def fold(self, new_events: Iterable[ev.Event]) -> Tracker:
        """Apply events in order."""
        tracker = self
        for event in new_events:
            apply = _FOLDS.get(type(event))
            tracker = apply(tracker, event) if apply else tracker
        return tracker

    def snapshot(self) -> dict[str, Any]:
        """Shape this tracker as plain JSON; shares its lists, copy to change."""
        return {name: getattr(self, name) for name in _field_names()}

    @classmethod
    def from_snapshot(cls, data: Mapping[str, Any]) -> Tracker:
        """Make a tracker from ``snapshot``'s JSON; unknown keys are ignored, missing ones take their default."""
        tuples = {
            "asked_options",
            "clarify_intents",
            "proved_orders",
            "last_replies",
            "last_buttons",
            "ticket_numbers",
        }
        known = _field_names()
        values: dict[str, Any] = {
            name: tuple(value) if name in tuples else value for name, value in data.items() if name in known
        }
        return cls(**values)


@cache
def _field_names() -> tuple[str, ...]:
    return tuple(known_field.name for known_field in fields(Tracker))


def _customer_uttered(tracker: Tracker, _event: ev.CustomerUttered) -> Tracker:
    return replace(
        tracker,
        customer_turns=tracker.customer_turns + 1,
        unanswered=tracker.unanswered + 1,
        last_replies=(),
        last_buttons=(),
    )


def _bot_uttered(tracker: Tracker, event: ev.BotUttered) -> Tracker:
    return replace(
        tracker,
        last_replies=(*tracker.last_replies, event.text)[-4:],
        last_buttons=tuple(event.buttons) if event.buttons else tracker.last_buttons,
        unanswered=0,
    )


def _spoken_to(tracker: Tracker, _event: ev.AgentUttered | ev.NoticeSent) -> Tracker:
    return replace(tracker, unanswered=0)


def _intent_handled(tracker: Tracker, event: ev.IntentHandled) -> Tracker:
    return replace(tracker, last_intent=event.intent, misses=0, clarify_intents=(), clarify_text="")


def _not_understood(tracker: Tracker, _event: ev.NotUnderstood) -> Tracker:
    return replace(tracker, misses=tracker.misses + 1, clarify_intents=(), clarify_text="")


def _clarification_asked(tracker: Tracker, event: ev.ClarificationAsked) -> Tracker:
    return replace(tracker, clarify_intents=tuple(event.intents), clarify_text=event.text)


def _form_started(tracker: Tracker, event: ev.FormStarted) -> Tracker:
    return replace(
        tracker,
        form=event.form,
        form_intent=event.intent,
        slots={},
        asked_slot="",
        asked_options=(),
        rejections=0,
        misses=0,
        clarify_intents=(),
        clarify_text="",
    )


def _slot_asked(tracker: Tracker, event: ev.SlotAsked) -> Tracker:
    rejections = tracker.rejections if event.slot == tracker.asked_slot else 0
    return replace(tracker, asked_slot=event.slot, asked_options=tuple(event.options), rejections=rejections)


def _answer_rejected(tracker: Tracker, _event: ev.AnswerRejected) -> Tracker:
    return replace(tracker, rejections=tracker.rejections + 1)


def _slot_set(tracker: Tracker, event: ev.SlotSet) -> Tracker:
    slots = {name: value for name, value in tracker.slots.items() if name != event.slot}
    if event.value is not None:
        slots[event.slot] = event.value
    return replace(tracker, slots=slots, misses=0, rejections=0)


def _form_ended(tracker: Tracker, _event: ev.FormEnded) -> Tracker:
    return replace(tracker, form="", form_intent="", slots={}, asked_slot="", asked_options=(), rejections=0)


def _order_proved(tracker: Tracker, event: ev.OrderProved) -> Tracker:
    others = tuple(number for number in tracker.proved_orders if number != event.order_number)
    return replace(tracker, proved_orders=(*others, event.order_number)[-_KEPT_PROVED_ORDERS:], proof_failures=0)


def _proof_failed(tracker: Tracker, _event: ev.ProofFailed) -> Tracker:
    return replace(tracker, proof_failures=tracker.proof_failures + 1)


def _ticket_opened(tracker: Tracker, event: ev.TicketOpened) -> Tracker:
    return replace(tracker, ticket_numbers=(*tracker.ticket_numbers, event.number)[-_KEPT_PROVED_ORDERS:])


def _handoff_requested(tracker: Tracker, _event: ev.HandoffRequested) -> Tracker:
    return replace(tracker, handoffs=tracker.handoffs + 1, misses=0)


def _owner_changed(tracker: Tracker, _event: ev.OwnerChanged) -> Tracker:
    return replace(_form_ended(tracker, ev.FormEnded("", "replaced")), misses=0, clarify_intents=(), clarify_text="")


_FOLDS: dict[type[ev.Event], Callable[[Tracker, Any], Tracker]] = {
    ev.CustomerUttered: _customer_uttered,
    ev.BotUttered: _bot_uttered,
    ev.AgentUttered: _spoken_to,
    ev.NoticeSent: _spoken_to,
    ev.IntentHandled: _intent_handled,
    ev.NotUnderstood: _not_understood,
    ev.ClarificationAsked: _clarification_asked,
    ev.FormStarted: _form_started,
    ev.SlotAsked: _slot_asked,
    ev.SlotSet: _slot_set,
    ev.AnswerRejected: _answer_rejected,
    ev.FormEnded: _form_ended,
    ev.OrderProved: _order_proved,
    ev.ProofFailed: _proof_failed,
    ev.TicketOpened: _ticket_opened,
    ev.HandoffRequested: _handoff_requested,
    ev.OwnerChanged: _owner_changed,
}
