"""The questions of a form: which is open, how it is asked, what its opening message already answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bot.domain.events import SlotAsked, SlotSet
from bot.domain.forms import CONFIRM_SLOT, Form, SlotSpec
from bot.domain.replies import Choice, Reply
from bot.domain.understanding import Recognition
from bot.engine import words

EDIT_PREFIX = "edit:"
"""A pressed ``=edit:<slot>`` opens that question again."""


def opening(form: Form, known: Mapping[str, Any], recognition: Recognition) -> tuple[SlotSet, ...]:
    """List the slots set when a form opens: those known, then those its opening message names."""
    given = [SlotSet(name, value) for name, value in known.items()]
    used = {spec.entity for spec in form.slots if spec.name in known}
    for spec in form.slots:
        value = recognition.entity(spec.entity) if spec.entity and spec.entity not in used else ""
        if value and spec.name not in known and is_offered(spec, value) and applies(spec, known):
            given.append(SlotSet(spec.name, value))
            used.add(spec.entity)
    return tuple(given)


def open_question(form: Form, slots: Mapping[str, Any]) -> str:
    """Name the next question: a slot, CONFIRM_SLOT, or ``""`` when everything is answered."""
    for spec in form.slots:
        if spec.name not in slots and applies(spec, slots):
            return spec.name
    return CONFIRM_SLOT if form.confirm and slots.get(CONFIRM_SLOT) != "yes" else ""


def question(form: Form, name: str, slots: Mapping[str, Any]) -> tuple[Reply, SlotAsked]:
    """Shape a question with its buttons, and the event that remembers it."""
    spec = form.slot(name)
    if spec is None:
        choices = (Choice("/affirm", label_key="engine.button_yes"), Choice("/deny", label_key="engine.button_no"))
        return Reply(form.confirm, dict(slots), choices), SlotAsked(CONFIRM_SLOT, ["yes", "no"])
    return Reply(spec.ask, dict(slots), choices_of(spec)), SlotAsked(name, list(offered_values(spec)))


def choices_of(spec: SlotSpec) -> tuple[Choice, ...]:
    """Shape the buttons of a question; an optional one can be skipped."""
    choices = [Choice(f"={value}", label_key=f"{spec.ask}.{value}") for value in spec.options]
    if spec.optional:
        choices.append(Choice("=", label_key="engine.button_skip"))
    return tuple(choices)


def edit_choices(form: Form, slots: Mapping[str, Any]) -> tuple[Choice, ...]:
    """Shape a button for each answered question that has an everyday name."""
    return tuple(
        Choice(f"={EDIT_PREFIX}{spec.name}", label_key=f"engine.slot_{spec.name}")
        for spec in form.slots
        if spec.name in slots and words.has_name(spec.name) and applies(spec, slots)
    )


def offered_values(spec: SlotSpec) -> tuple[str, ...]:
    """List the values a question offers, in the order of its buttons; ``""`` skips."""
    return (*spec.options, "") if spec.options and spec.optional else spec.options


def applies(spec: SlotSpec, slots: Mapping[str, Any]) -> bool:
    """Tell whether a question is wanted with the answers so far."""
    return spec.wanted is None or spec.wanted(slots)


def is_offered(spec: SlotSpec, value: str) -> bool:
    """Tell whether a question takes a value: any, or one of its options."""
    return not spec.options or value in spec.options
