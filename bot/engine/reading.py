"""What a segment of a turn says: its messages joined, with what the recogniser made of them. Pure but for `read`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from bot.domain.forms import CONFIRM_SLOT, Form
from bot.domain.messages import InboundMessage, MessageKind
from bot.domain.ports import Recogniser
from bot.domain.tracker import Tracker
from bot.domain.understanding import Entity, Expectation, IntentScore, Recognition, Sentiment, Urgency, Verdict
from bot.engine import words
from bot.engine.faults import describe

_LOG = logging.getLogger(__name__)
_READ_SEPARATELY = 8
PLEASANTRIES = frozenset({"greet", "thank", "goodbye", "affirm", "deny", "chitchat"})
"""Intents that say nothing of their own beside another one in the same burst."""
_IMPERATIVES = frozenset({"stop", "request_human"})
_QUIET_KINDS = frozenset({MessageKind.FOLLOW, MessageKind.UNFOLLOW, MessageKind.UNKNOWN})


@dataclass(frozen=True, slots=True)
class Reading:
    """A segment of a turn.

    ``message`` is its messages as one; ``value`` a pressed ``=value`` (None: none was pressed); ``further`` the sure
    intents besides the main one; ``stale`` marks a button whose payload means nothing here.
    """

    message: InboundMessage
    recognition: Recognition = field(default_factory=Recognition)
    value: str | None = None
    further: tuple[str, ...] = ()
    pressed: bool = False
    stale: bool = False

    @property
    def text(self) -> str:
        """Give the segment's words."""
        return self.message.text

    @property
    def sure(self) -> str:
        """Name the intent the recogniser is sure of, or ``""``."""
        return self.recognition.intent if self.recognition.verdict is Verdict.SURE else ""


def segments(messages: Sequence[InboundMessage]) -> tuple[tuple[InboundMessage, ...], ...]:
    """Cut a turn where a button was pressed; what is written between is read together.

    A button pressed twice counts once. Arrivals and unknown kinds are passed over when something else was said.
    """
    groups: list[list[InboundMessage]] = []
    for message in messages:
        before = groups[-1][-1] if groups else None
        if before is not None and message.payload and message.payload == before.payload:
            continue
        alone = bool(message.payload) or message.kind in _QUIET_KINDS
        after_alone = before is None or bool(before.payload) or before.kind in _QUIET_KINDS
        if alone or after_alone:
            groups.append([message])
        else:
            groups[-1].append(message)
    spoken = [group for group in groups if group[0].kind not in _QUIET_KINDS]
    return tuple(tuple(group) for group in spoken or groups[-1:])


def expectation(tracker: Tracker, form: Form | None) -> Expectation:
    """Tell the recogniser what the conversation waits for."""
    if form is None:
        return Expectation()
    spec = form.slot(tracker.asked_slot)
    yes_no = tracker.asked_slot == CONFIRM_SLOT or set(tracker.asked_options) - {""} == {"yes", "no"}
    return Expectation(form=form.name, entity=spec.entity if spec else "", yes_no=yes_no)


def pressed_payload(message: InboundMessage, tracker: Tracker) -> str:
    """Find the payload a message stands for: its own, or that of the offered button it names or counts."""
    if message.payload or message.attachments or not tracker.last_buttons:
        return message.payload
    said = words.folded(message.text)
    for button in tracker.last_buttons:
        if said and said == words.folded(button.get("label", "")):
            return button.get("payload", "")
    counted = _counted_payloads(tracker)
    number = words.ordinal(message.text)
    return counted[number - 1] if 1 <= number <= len(counted) else ""


def _counted_payloads(tracker: Tracker) -> tuple[str, ...]:
    """List what numbers count: the buttons; in a form the answers a handler offered to a question without options."""
    payloads = tuple(button.get("payload", "") for button in tracker.last_buttons)
    if not tracker.form:
        return payloads
    # The question's own options are counted by the form driver, which also knows them after a digression.
    return () if tracker.asked_options else tuple(one for one in payloads if one.startswith("="))


async def read(group: Sequence[InboundMessage], tracker: Tracker, form: Form | None, recogniser: Recogniser) -> Reading:
    """Understand one segment; a fault of the recogniser reads as not understood."""
    message = _joined(group)
    payload = pressed_payload(message, tracker)
    if payload.startswith("="):
        return Reading(replace(message, payload=payload), value=payload[1:], pressed=True)
    if payload.startswith("/"):
        return Reading(replace(message, payload=payload), _told(payload[1:]), pressed=True)
    if payload and not message.text:
        return Reading(message, pressed=True, stale=True)
    if not message.text:
        return Reading(message)
    return await _read_text(group, message, _Ear(recogniser, expectation(tracker, form)))


@dataclass(frozen=True, slots=True)
class _Ear:
    """A recogniser that is told what to expect and never raises."""

    recogniser: Recogniser
    expected: Expectation

    async def hear(self, text: str) -> Recognition:
        try:
            return await self.recogniser.recognise(text, self.expected)
        except Exception as problem:  # noqa: BLE001 - an answer "not understood" is better than none
            _LOG.error("the recogniser failed: %s", describe(problem))
            return Recognition()


async def understand(text: str, recogniser: Recogniser) -> Recognition:
    """Understand words outside of any form, never raising."""
    return await _Ear(recogniser, Expectation()).hear(text)


async def _read_text(group: Sequence[InboundMessage], message: InboundMessage, ear: _Ear) -> Reading:
    texts = [one.text for one in group if one.text]
    if len(texts) == 1:
        recognition = await ear.hear(message.text)
        return Reading(message, recognition, further=_second(recognition))
    joined, *each = await asyncio.gather(*map(ear.hear, [message.text, *texts[:_READ_SEPARATELY]]))
    whole = _most_urgent(joined, each)
    sure = [one for one in each if one.verdict is Verdict.SURE]
    imperative = next((one for one in reversed(sure) if one.intent in _IMPERATIVES), None)
    if imperative is not None:
        return Reading(message, _meaning(whole, imperative))
    if ear.expected.form:
        # In a form the lines are one answer; only questions among them may be something else.
        asked = [one for text, one in zip(texts, each, strict=False) if words.asks(text)]
        sure = [one for one in sure if one in asked]
    return _several(message, whole, [one for one in sure if one.intent not in PLEASANTRIES])


def _several(message: InboundMessage, whole: Recognition, meant: list[Recognition]) -> Reading:
    if not meant:
        return Reading(message, whole, further=_second(whole))
    intents = list(dict.fromkeys(one.intent for one in meant))
    if len(intents) == 1 and whole.verdict is Verdict.SURE and whole.intent not in PLEASANTRIES:
        # One sure part and the rest reads as part of it: the whole knows best.
        return Reading(message, whole, further=_second(whole))
    return Reading(message, _meaning(whole, meant[0]), further=tuple(intents[1:]) or _second(meant[0]))


def _meaning(whole: Recognition, part: Recognition) -> Recognition:
    return replace(whole, intents=part.intents, verdict=part.verdict, second_intent=part.second_intent)


def _second(recognition: Recognition) -> tuple[str, ...]:
    return (recognition.second_intent,) if recognition.second_intent else ()


def _most_urgent(whole: Recognition, each: list[Recognition]) -> Recognition:
    urgent = next((one.sentiment.urgency for one in each if one.sentiment.urgency is not Urgency.NONE), Urgency.NONE)
    if whole.sentiment.urgency is not Urgency.NONE or urgent is Urgency.NONE:
        return whole
    return replace(whole, sentiment=Sentiment(whole.sentiment.score, urgent))


def _told(payload: str) -> Recognition:
    """Read ``intent`` or ``intent=entity:value``."""
    intent, _, given = payload.partition("=")
    name, _, value = given.partition(":")
    # A payload comes from outside: nothing but a plain word is taken for a value.
    entities = (Entity(name, value),) if name and value.isalnum() else ()
    return Recognition(intents=(IntentScore(intent, 1.0),), verdict=Verdict.SURE, entities=entities, engine="button")


def _joined(group: Sequence[InboundMessage]) -> InboundMessage:
    last = group[-1]
    if len(group) == 1:
        return last
    text = "\n".join(one.text for one in group if one.text)
    attachments = tuple(attachment for one in group for attachment in one.attachments)
    kind = MessageKind.TEXT if text else last.kind
    return replace(last, kind=kind, text=text, attachments=attachments)
