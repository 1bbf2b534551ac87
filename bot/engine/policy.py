"""What to do with what was understood: a table of rules, the first that speaks decides. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bot.domain.conversation import Owner
from bot.domain.events import ClarificationAsked, Event, NotUnderstood
from bot.domain.forms import CONFIRM_SLOT, Form
from bot.domain.handoff import HandoffReason
from bot.domain.messages import MessageKind
from bot.domain.tracker import Tracker
from bot.domain.understanding import FAQ_PREFIX, IntentScore, Urgency, Verdict
from bot.engine import forms, words
from bot.engine.forms import Result, Step
from bot.engine.reading import Reading

NEAREST = 2
"""How many intents are offered when the bot does not know."""
MOST_CHOICES = 3
"""How many are offered at most when it is unsure which is meant."""
LEAST_CHANCE = 0.05
"""A third intent that is less likely than a wrong answer may be is not worth its button."""
MISSES_TO_OFFER_HUMAN = 1
MISSES_TO_HAND_OVER = 2
QUEUE_WORD_EVERY = 3
"""While waiting for an agent the shopper is told so after this many messages without a word from us."""
REQUEST_HUMAN = "request_human"

_FAQ = FAQ_PREFIX.rstrip("/")
_NEVER_OFFERED = frozenset({"greet", "goodbye", "thank", "affirm", "deny", "stop", "repeat", "chitchat", "oos", ""})
_NO_ASIDE = frozenset({"affirm", "deny", "stop", "oos", ""})
_ERRANDS_OF_A_NUMBER = frozenset({"track_order", "order_status", "urge_shipping", "track_refund"})
_BARE_NUMBER_EXTRA_CHARS = 4
_TICKET_NUMBER = re.compile(r"^\W*TK\s?\d{8}\W*$", re.IGNORECASE)
_WORDLESS_LINES = {
    MessageKind.IMAGE: "engine.image_received",
    MessageKind.VOICE: "engine.voice_without_text",
    MessageKind.VIDEO: "engine.file_received",
    MessageKind.FILE: "engine.file_received",
    MessageKind.LOCATION: "engine.location_received",
    MessageKind.STICKER: "engine.sticker_received",
    MessageKind.UNKNOWN: "engine.unknown_kind",
}


# ---------------------------------------------------------------- decisions


@dataclass(frozen=True, slots=True)
class Record:
    """Keep it on record and say nothing."""


@dataclass(frozen=True, slots=True)
class Say:
    """Say the engine's own ``key``, offering ``intents`` as buttons (and a human, and "neither")."""

    key: str
    intents: tuple[str, ...] = ()
    human: bool = False
    neither: bool = False
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """Run ``intent``'s handler; ``text`` is understood again for its entities when it is not this message's."""

    intent: str
    reason: HandoffReason | None = None
    text: str = ""
    missed: bool = False


@dataclass(frozen=True, slots=True)
class Fill:
    """Go on with the open form; ``aside`` is a further intent to answer before the next question."""

    step: Step
    aside: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """Leave the open form; nothing of it is filed."""


Decision = Record | Say | Run | Fill | Stop


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything a decision depends on; ``intents`` are those that have a handler."""

    owner: Owner
    tracker: Tracker
    reading: Reading
    intents: frozenset[str]
    form: Form | None = None
    opens_form: frozenset[str] = frozenset()
    labels: forms.Labels = field(default_factory=dict)

    def can_do(self, intent: str) -> bool:
        """Tell whether there is a handler for an intent."""
        return intent != _FAQ and handler_key(intent) in self.intents

    def step(self) -> Step:
        """Work out what the message does to the open form."""
        return forms.advance(self.form, self.tracker, self.reading, self.labels) if self.form else forms.NOTHING


Rule = Callable[[Situation], Decision | None]


def handler_key(intent: str) -> str:
    """Name the row of the HANDLERS table that does an intent: ``faq`` for every retrieval intent."""
    return _FAQ if "/" in intent else intent


def decide(situation: Situation) -> Decision:
    """Ask the rules in their order; the last one always speaks."""
    for rule in RULES:
        decision = rule(situation)
        if decision is not None:
            return decision
    return _abstains(situation)


# ---------------------------------------------------------------- the rules, in the order of RULES


def _human_has_it(situation: Situation) -> Decision | None:
    if situation.owner is Owner.WITH_BOT:
        return None
    told = situation.owner is Owner.WAITING_FOR_AGENT and situation.tracker.unanswered + 1 >= QUEUE_WORD_EVERY
    return Say("engine.still_waiting") if told else Record()


def _came_or_left(situation: Situation) -> Decision | None:
    kind = situation.reading.message.kind
    if kind is MessageKind.UNFOLLOW:
        return Record()
    return Run("greet") if kind is MessageKind.FOLLOW and situation.can_do("greet") else None


def _danger_or_anger(situation: Situation) -> Decision | None:
    urgency = situation.reading.recognition.sentiment.urgency
    if urgency is Urgency.NONE:
        return None
    if urgency is not Urgency.ANGRY:
        return Run(REQUEST_HUMAN, HandoffReason.URGENT)
    # Nobody was there a moment ago: asking again for every angry word would only pile up promises.
    asked_before = situation.tracker.last_intent == REQUEST_HUMAN and not situation.tracker.handoffs
    return None if asked_before else Run(REQUEST_HUMAN, HandoffReason.ANGRY)


def _wants_a_human(situation: Situation) -> Decision | None:
    reading = situation.reading
    plainly = not reading.sure and words.asks_for_human(reading.text)
    return Run(REQUEST_HUMAN) if plainly or reading.sure == REQUEST_HUMAN else None


def _stops_the_form(situation: Situation) -> Decision | None:
    form, text = situation.form, situation.reading.text
    if form is None:
        return None
    open_slot = form.slot(situation.tracker.asked_slot)
    skips = open_slot is not None and open_slot.optional and words.skips(text)
    stops = words.says_stop(text) or (situation.reading.sure == "stop" and not skips)
    return Stop() if stops else None


def _open_form(situation: Situation) -> Decision | None:
    """An answer, a correction, or something else in the middle of a form."""
    if situation.form is None:
        return None
    if situation.reading.sure == "repeat":
        return Fill(Step(Result.ANSWERED))
    step = situation.step()
    aside = _aside(situation)
    if aside and _outweighs(situation, aside, step):
        return Run(aside)
    if step.result is not Result.NOTHING:
        both = aside if step.events and words.asks(situation.reading.text) and _is_quick(situation, aside) else ""
        return Fill(step, both)
    return Fill(step) if situation.reading.text or situation.reading.pressed else None


def _nothing_written(situation: Situation) -> Decision | None:
    reading = situation.reading
    kind = reading.message.kind
    # What a place is called are not the person's words.
    written = reading.text if kind is not MessageKind.LOCATION else ""
    if reading.pressed or (written and not words.is_emoji(written)):
        return None
    kind = MessageKind.STICKER if written else kind
    key = _WORDLESS_LINES.get(kind, "engine.empty_message")
    return Say(key, human=kind in {MessageKind.IMAGE, MessageKind.VIDEO, MessageKind.FILE})


def _button_of_before(situation: Situation) -> Decision | None:
    reading = situation.reading
    meaningless = reading.stale or reading.value is not None
    unknown = reading.pressed and not meaningless and not _can_answer(situation, reading.sure)
    return Say("engine.button_stale") if meaningless or unknown else None


def _answers_clarification(situation: Situation) -> Decision | None:
    tracker, reading = situation.tracker, situation.reading
    if not tracker.clarify_intents:
        return None
    number = words.ordinal(reading.text)
    if 1 <= number <= len(tracker.clarify_intents):
        return Run(tracker.clarify_intents[number - 1], text=tracker.clarify_text)
    if reading.sure in tracker.clarify_intents:
        return Run(reading.sure, text=tracker.clarify_text if reading.pressed else "")
    neither = reading.sure == "deny" or words.says_no(reading.text) or number == len(tracker.clarify_intents) + 1
    return Say("engine.neither", human=True, events=(NotUnderstood(),)) if neither else None


def _takes_the_offer(situation: Situation) -> Decision | None:
    """Yes to the only thing that was offered."""
    if situation.reading.sure != "affirm" and not words.says_yes(situation.reading.text):
        return None
    payloads = {button.get("payload", "") for button in situation.tracker.last_buttons}
    if "/affirm" in payloads:
        return None
    offered = [payload[1:] for payload in payloads if payload.startswith("/") and payload[1:] not in _NO_ASIDE]
    return Run(offered[0]) if len(offered) == 1 and situation.can_do(offered[0]) else None


def _is_sure(situation: Situation) -> Decision | None:
    intent = situation.reading.sure
    if situation.can_do(intent):
        return Run(intent)
    return Say("engine.nothing_open") if intent in {"affirm", "deny", "stop"} else None


def _bare_number(situation: Situation) -> Decision | None:
    """Nothing but an order or ticket number, or another one instead of the last: most want to know how it stands."""
    text = situation.reading.text
    if _TICKET_NUMBER.match(text) and situation.can_do("ticket_status"):
        return Run("ticket_status")
    numbers = [one for one in situation.reading.recognition.entities if one.name == "order_number"]
    covered = sum(one.end - one.start for one in numbers)
    bare = len(text) - covered <= _BARE_NUMBER_EXTRA_CHARS or words.may_correct(text)
    last = situation.tracker.last_intent
    errand = last if last in _ERRANDS_OF_A_NUMBER else "track_order"
    return Run(errand) if numbers and bare and situation.can_do(errand) else None


def _unsure_between_two(situation: Situation) -> Decision | None:
    if situation.reading.recognition.verdict is not Verdict.CLARIFY:
        return None
    near = close_choices(situation.reading.recognition.intents, situation.can_do)
    # The same choice a second time would go round in circles.
    if not near or set(near) == set(situation.tracker.clarify_intents):
        return None
    asked = ClarificationAsked(list(near), situation.reading.text)
    return Say("engine.clarify" if len(near) > 1 else "engine.clarify_one", near, neither=True, events=(asked,))


def _misses_too_often(situation: Situation) -> Decision | None:
    if situation.tracker.misses < MISSES_TO_HAND_OVER:
        return None
    return Run(REQUEST_HUMAN, HandoffReason.NOT_UNDERSTOOD, missed=True)


def _misses_again(situation: Situation) -> Decision | None:
    if situation.tracker.misses < MISSES_TO_OFFER_HUMAN:
        return None
    return Say("engine.offer_human", _nearest(situation), human=True, events=(NotUnderstood(),))


def _abstains(situation: Situation) -> Decision:
    near = _nearest(situation)
    key = "engine.fallback" if near else "engine.fallback_nothing_near"
    return Say(key, near, human=True, events=(NotUnderstood(),))


RULES: tuple[Rule, ...] = (
    _human_has_it,
    _came_or_left,
    _danger_or_anger,
    _wants_a_human,
    _stops_the_form,
    _open_form,
    _nothing_written,
    _button_of_before,
    _answers_clarification,
    _takes_the_offer,
    _is_sure,
    _bare_number,
    _unsure_between_two,
    _misses_too_often,
    _misses_again,
)


# ---------------------------------------------------------------- what the rules ask themselves


def _can_answer(situation: Situation, intent: str) -> bool:
    return situation.can_do(intent) or intent in {"affirm", "deny", "stop"}


def _aside(situation: Situation) -> str:
    """Name the sure intent that is not about the open form, or ``""``."""
    intent = situation.reading.sure
    if intent in _NO_ASIDE or intent == situation.tracker.form_intent or not situation.can_do(intent):
        return ""
    return intent


def _is_quick(situation: Situation, intent: str) -> bool:
    return bool(intent) and handler_key(intent) not in situation.opens_form


def _outweighs(situation: Situation, aside: str, step: Step) -> bool:
    """Tell whether another intent is meant rather than the form.

    A pressed button always is. Words are when they answer nothing, or when a question that takes any words got a
    question instead of an answer.
    """
    if situation.reading.pressed or step.result is Result.NOTHING:
        return True
    if step.result is Result.REJECTED:
        return situation.tracker.asked_slot != CONFIRM_SLOT
    return step.free and _is_quick(situation, aside) and words.asks(situation.reading.text)


def is_worth_doing(intent: str) -> bool:
    """Tell whether an intent is an errand (and not a pleasantry, a yes or a no), so worth offering."""
    return intent not in _NEVER_OFFERED


def close_choices(ranked: Sequence[IntentScore], can_do: Callable[[str], bool]) -> tuple[str, ...]:
    """Choose what to offer between close intents, best first: two, and a third when it is likely enough."""
    worth = [one for one in ranked if is_worth_doing(one.name) and can_do(one.name)]
    likely = [one for place, one in enumerate(worth) if place < NEAREST or one.confidence >= LEAST_CHANCE]
    return tuple(one.name for one in likely[:MOST_CHOICES])


def _nearest(situation: Situation) -> tuple[str, ...]:
    ranked = (one.name for one in situation.reading.recognition.intents)
    return tuple(name for name in ranked if is_worth_doing(name) and situation.can_do(name))[:NEAREST]
