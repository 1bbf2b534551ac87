"""The form driver: what a message does to the open form, and what to ask next. Pure.

All state is in the Tracker, so a form survives a restart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from bot.domain.events import AnswerRejected, Event, SlotSet
from bot.domain.forms import CONFIRM_SLOT, Form, Missing, ParsedSlot, Rejected, SlotSpec
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.replies import Reply
from bot.domain.tracker import Tracker
from bot.domain.understanding import Entity, Recognition
from bot.engine import words
from bot.engine.questions import EDIT_PREFIX, applies, is_offered, offered_values
from bot.engine.reading import Reading

MAX_REJECTIONS = 3
"""After so many answers that cannot be taken, a human is offered with the question."""
_BARE_EXTRA_CHARS = 6

Labels = Mapping[str, Mapping[str, tuple[str, ...]]]
"""slot -> option value -> what its button says, in every language."""


class Result(StrEnum):
    """What a message did to the open form."""

    ANSWERED = "answered"
    CORRECTED = "corrected"
    ADDED = "added"
    REJECTED = "rejected"
    DENIED = "denied"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Step:
    """A message's effect: events to append; ``reply`` says why an answer was rejected.

    ``free`` marks an answer read out of plain words (no button, number, label or recognised value), so that they may
    as well mean something else.
    """

    result: Result
    events: tuple[Event, ...] = ()
    reply: Reply | None = None
    free: bool = False


NOTHING = Step(Result.NOTHING)


@dataclass(frozen=True, slots=True)
class _View:
    """The open form as a message meets it."""

    form: Form
    tracker: Tracker
    reading: Reading
    labels: Labels

    @property
    def asked(self) -> SlotSpec | None:
        return self.form.slot(self.tracker.asked_slot)

    @property
    def text(self) -> str:
        return self.reading.text


# ---------------------------------------------------------------- a message meets the form


def advance(form: Form, tracker: Tracker, reading: Reading, labels: Labels) -> Step:
    """Work out what a message does to the open form; see Result."""
    view = _View(form, tracker, reading, labels)
    for rule in _RULES:
        step = rule(view)
        if step is not None:
            return step
    return NOTHING


def _pressed(view: _View) -> Step | None:
    value = view.reading.value
    if value is None:
        return None
    if value.startswith(EDIT_PREFIX):
        return _reopen(view, value.removeprefix(EDIT_PREFIX))
    if view.asked is None:
        return _confirmed(value) if view.tracker.asked_slot == CONFIRM_SLOT else NOTHING
    if view.asked.options:
        return _answer(view.asked, value) if value in offered_values(view.asked) else NOTHING
    if not value:
        return _answer(view.asked, "") if view.asked.optional else NOTHING
    parsed = _parse(view.asked, view.reading.message, view.reading.recognition) if view.asked.parse else value
    return _taken(view.asked, parsed)


def _pictures(view: _View) -> Step | None:
    """A picture goes to the question that takes pictures, asked or not; more of them are added."""
    if not view.reading.message.attachments:
        return None
    wordless = replace(view.reading.message, text="", payload="")
    for spec in _asked_first(view):
        parsed = _parse(spec, wordless, Recognition()) if spec.parse else Missing.VALUE
        if not isinstance(parsed, list) or not applies(spec, view.tracker.slots):
            continue
        before = view.tracker.slots.get(spec.name)
        earlier = [one for one in before if one not in parsed] if isinstance(before, list) else []
        result = Result.ANSWERED if spec is view.asked else Result.ADDED
        return Step(result, (SlotSet(spec.name, [*earlier, *parsed]), *_unanswered_entities(view, spec)))
    return None


def _correction(view: _View) -> Step | None:
    """不对，订单号是… / no, it's … / 改成…: sets a slot again, whichever it was."""
    sure = words.corrects(view.text)
    if not (sure or words.may_correct(view.text) or (_confirming(view) and words.wants_change(view.text))):
        # Without such words only a message that is little more than a different order number, address, ...
        if not _is_bare_value(view):
            return None
        return _corrected(view, _changed_entities(view)) or NOTHING
    named = next((spec for spec in view.form.slots if _is_named(view, spec)), None)
    in_words = _set_again(view, named) if named is not None and not named.entity else None
    if in_words is not None:
        return in_words
    changed = _changed_entities(view)
    if changed:
        return _corrected(view, changed)
    if named is not None:
        return _set_again(view, named) or _reopen(view, named.name)
    return _last_set_again(view) if sure else None


def _confirmation(view: _View) -> Step | None:
    if not _confirming(view):
        return None
    intent = view.reading.recognition.intent
    number = words.ordinal(view.text)
    if words.says_yes(view.text) or number == 1:
        return _confirmed("yes")
    if words.says_no(view.text) or number == 2:  # noqa: PLR2004 - the second button says no
        return _confirmed("no")
    filled = _unanswered_entities(view, None)
    if filled:
        return Step(Result.CORRECTED, filled)
    return _confirmed({"affirm": "yes", "deny": "no"}.get(intent, ""))


def _direct(view: _View) -> Step | None:
    spec = view.asked
    if spec is None or not view.text:
        return None
    value = _picked(view, spec) if spec.options else None
    if value is None and spec.entity:
        found = view.reading.recognition.entity(spec.entity)
        value = found if found and is_offered(spec, found) else None
    if value is not None:
        return _with_entities(view, _answer(spec, value), spec)
    value = _named_within(view, spec)
    if value is not None:
        return _with_entities(view, replace(_answer(spec, value), free=True), spec)
    if spec.optional and (words.skips(view.text) or view.reading.sure == "deny"):
        return _answer(spec, "")
    parsed = _parse(spec, view.reading.message, view.reading.recognition)
    if _is_polite_only(view) and _takes_any_words(spec):
        return None
    return _with_entities(view, _taken(spec, parsed), spec)


def _others(view: _View) -> Step | None:
    """What the message names fills the other questions, even when the open one was not answered."""
    filled = _unanswered_entities(view, view.asked)
    return Step(Result.ANSWERED, filled) if filled else None


_RULES = (_pressed, _pictures, _correction, _confirmation, _direct, _others)


# ---------------------------------------------------------------- the parts of the rules


def _asked_first(view: _View) -> Iterator[SlotSpec]:
    if view.asked is not None:
        yield view.asked
    yield from (spec for spec in view.form.slots if spec is not view.asked)


def _confirming(view: _View) -> bool:
    return view.tracker.asked_slot == CONFIRM_SLOT and view.asked is None


def _takes_any_words(spec: SlotSpec | None) -> bool:
    return spec is not None and not spec.entity and not spec.options


def _is_polite_only(view: _View) -> bool:
    return view.reading.sure in {"greet", "thank", "goodbye", "affirm", "repeat"} and len(view.text) <= 20  # noqa: PLR2004


def _is_named(view: _View, spec: SlotSpec) -> bool:
    return spec.name in view.tracker.slots and spec.name in words.named_slots(view.text)


def _is_bare_value(view: _View) -> bool:
    """Tell whether the message is little more than a value that belongs to other questions of the form."""
    entities = view.reading.recognition.entities
    asked_entity = view.asked.entity if view.asked is not None else ""
    slots = view.tracker.slots
    others = {spec.entity for spec in view.form.slots if spec.entity and not spec.options and spec.name in slots}
    if not entities or not {one.name for one in entities} <= others - {asked_entity}:
        return False
    covered = {place for one in entities for place in range(one.start, one.end)}
    return len(view.text) - len(covered) <= _BARE_EXTRA_CHARS


def _answer(spec: SlotSpec, value: str | list[str]) -> Step:
    return Step(Result.ANSWERED, (SlotSet(spec.name, value),))


def _confirmed(value: str) -> Step | None:
    if value == "yes":
        return Step(Result.ANSWERED, (SlotSet(CONFIRM_SLOT, "yes"),))
    return Step(Result.DENIED) if value == "no" else None


def _reopen(view: _View, name: str) -> Step:
    spec = view.form.slot(name)
    if spec is None or name not in view.tracker.slots or not applies(spec, view.tracker.slots):
        return NOTHING
    return Step(Result.ANSWERED, (SlotSet(name, None),))


def _corrected(view: _View, changed: tuple[SlotSet, ...]) -> Step | None:
    if not changed:
        return None
    asked = view.tracker.asked_slot
    result = Result.ANSWERED if all(one.slot == asked for one in changed) else Result.CORRECTED
    return Step(result, (*changed, *_unanswered_entities(view, None)))


def _set_again(view: _View, spec: SlotSpec) -> Step | None:
    rest = words.new_value(view.text)
    if not rest:
        return None
    if spec.options:
        said = replace(view, reading=_reworded(view, rest))
        value = _picked(said, spec) or _named_within(said, spec) or _parsed_option(said, spec)
        return Step(Result.CORRECTED, (SlotSet(spec.name, value),)) if value is not None else None
    parsed = _parse(spec, _reworded(view, rest).message, Recognition())
    if isinstance(parsed, Rejected):
        return Step(Result.REJECTED, (), parsed.reply)
    return None if isinstance(parsed, Missing) else Step(Result.CORRECTED, (SlotSet(spec.name, parsed),))


def _parsed_option(view: _View, spec: SlotSpec) -> str | None:
    parsed = _parse(spec, view.reading.message, Recognition())
    return parsed if isinstance(parsed, str) and parsed in spec.options else None


def _last_set_again(view: _View) -> Step | None:
    """改成太大了: the last answer that can be such a value; the open question itself when it can."""
    slots = view.tracker.slots
    for name in reversed(tuple(slots)):
        spec = view.form.slot(name)
        # What a handler noted for itself (a question never wanted) is not the shopper's to set.
        step = _set_again(view, spec) if spec and not spec.entity and applies(spec, slots) else None
        if step is not None and step.result is Result.CORRECTED:
            return step
    return None


def _reworded(view: _View, text: str) -> Reading:
    return replace(view.reading, message=replace(view.reading.message, text=text, payload="", kind=MessageKind.TEXT))


def _changed_entities(view: _View) -> tuple[SlotSet, ...]:
    changed: list[SlotSet] = []
    used: set[str] = set()
    for spec in view.form.slots:
        if not spec.entity or spec.entity in used or spec.name not in view.tracker.slots:
            continue
        value = _other_value(view, spec)
        if value:
            used.add(spec.entity)
            changed.append(SlotSet(spec.name, value))
    return tuple(changed)


def _other_value(view: _View, spec: SlotSpec) -> str:
    """Give the value of the spec's entity that differs from the slot's; of several the last not negated."""
    asked_takes_it = view.asked is not None and view.asked.entity == spec.entity and view.asked is not spec
    if asked_takes_it and not words.may_correct(view.text):
        return ""
    before = view.tracker.slots.get(spec.name)
    found = [one for one in view.reading.recognition.entities if one.name == spec.entity and one.value != before]
    kept = [one for one in found if is_offered(spec, one.value)]
    meant = [one for one in kept if not _is_negated(view.text, one)]
    return (meant or kept)[-1].value if kept else ""


def _is_negated(text: str, entity: Entity) -> bool:
    return entity.start > 0 and words.negated_before(text, entity.start)


def _unanswered_entities(view: _View, done: SlotSpec | None) -> tuple[SlotSet, ...]:
    """List unanswered questions, other than ``done``, that the message's entities answer."""
    filled: list[SlotSet] = []
    used = {spec.entity for spec in view.form.slots if spec.name in view.tracker.slots}
    used |= {done.entity} if done is not None else set()
    for spec in view.form.slots:
        value = view.reading.recognition.entity(spec.entity) if spec.entity and spec.entity not in used else ""
        known = spec is done or spec.name in view.tracker.slots
        if value and not known and is_offered(spec, value) and applies(spec, view.tracker.slots):
            used.add(spec.entity)
            filled.append(SlotSet(spec.name, value))
    return tuple(filled)


def _with_entities(view: _View, step: Step | None, spec: SlotSpec) -> Step | None:
    if step is None or step.result is not Result.ANSWERED:
        return step
    return replace(step, events=(*step.events, *_unanswered_entities(view, spec)))


def _picked(view: _View, spec: SlotSpec) -> str | None:
    """Find the option a text names outright: by its value, its label or its number."""
    labels = view.labels.get(spec.name, {})
    said = words.folded(view.text)
    for value in spec.options:
        if said in {words.folded(one) for one in (value, *labels.get(value, ()))}:
            return value
    values = offered_values(spec)
    number = words.ordinal(view.text)
    if 1 <= number <= len(values):
        return values[number - 1]
    return _yes_no(view) if {"yes", "no"} <= set(spec.options) else None


def _named_within(view: _View, spec: SlotSpec) -> str | None:
    """Find the one option whose label stands in a longer text."""
    said = words.folded(view.text)
    labels = view.labels.get(spec.name, {})
    inside = [value for value in spec.options if any(_stands_in(label, said) for label in labels.get(value, ()))]
    return inside[0] if len(inside) == 1 else None


def _yes_no(view: _View) -> str | None:
    if words.says_yes(view.text):
        return "yes"
    if words.says_no(view.text):
        return "no"
    return {"affirm": "yes", "deny": "no"}.get(view.reading.recognition.intent)


def _stands_in(label: str, said: str) -> bool:
    words_of_label = words.folded(label)
    return len(words_of_label) > 1 and words_of_label in said


def _parse(spec: SlotSpec, message: InboundMessage, recognition: Recognition) -> ParsedSlot:
    if spec.parse is not None:
        return spec.parse(message, recognition)
    if spec.entity or spec.options:
        return Missing.VALUE
    return message.text or Missing.VALUE


def _taken(spec: SlotSpec, parsed: ParsedSlot) -> Step | None:
    if isinstance(parsed, Rejected):
        return Step(Result.REJECTED, (AnswerRejected(spec.name),), parsed.reply)
    if isinstance(parsed, Missing):
        return None
    if spec.options and isinstance(parsed, str) and parsed not in offered_values(spec):
        return None
    return Step(Result.ANSWERED, (SlotSet(spec.name, parsed),), free=True)
