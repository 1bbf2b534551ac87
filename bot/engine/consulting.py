"""How knowledge meets the gate: when an entry answers, when it is offered, and when an intent goes before it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bot.domain.knowledge import MERCHANT_PREFIX, NOTHING_KNOWN, Library, LookUp
from bot.domain.understanding import FAQ_PREFIX, IntentScore, Recognition, Verdict
from bot.engine.faults import describe
from bot.engine.policy import is_worth_doing
from bot.engine.reading import Reading

_LOG = logging.getLogger(__name__)
_RANKED = 5
_MOST_LINES = 4
"""Lines of a burst that are looked up one by one."""


class NoLibrary:
    """Knows nothing; for engines without a library."""

    async def look_up(self, text: str, recognition: Recognition) -> LookUp:
        """Find nothing."""
        del text, recognition
        return NOTHING_KNOWN

    async def refresh(self) -> None:
        """Have nothing to take in."""


@dataclass(frozen=True, slots=True)
class Consulting:
    """Asks the library about what was read."""

    library: Library

    async def consult(self, reading: Reading) -> Reading:
        """Let the library take part in what a segment means; a fault of it changes nothing."""
        try:
            if reading.pressed:
                if "/" in reading.recognition.intent:
                    # The button may stand for an entry that another process offered a moment ago.
                    await self.library.refresh()
                return reading
            return replace(reading, recognition=await self._heard(reading)) if _has_words(reading) else reading
        except Exception as problem:  # noqa: BLE001 - an answer without the entries is better than none
            _LOG.error("the knowledge could not be asked: %s", describe(problem))
            return reading

    async def _heard(self, reading: Reading) -> Recognition:
        lines = [line for line in reading.text.split("\n") if line.strip()]
        texts = [reading.text, *(lines if 1 < len(lines) <= _MOST_LINES else ())]
        first: LookUp | None = None
        for text in texts:
            found = await self.library.look_up(text, reading.recognition)
            if answers(reading.recognition, found):
                return settle(reading.recognition, found)
            first = first or found
        return settle(reading.recognition, first or NOTHING_KNOWN)


def _has_words(reading: Reading) -> bool:
    """Tell whether anything is said besides what was found in it: a bare order number asks for no entry."""
    rest = list(reading.text)
    for entity in reading.recognition.entities:
        rest[entity.start : entity.end] = " " * (entity.end - entity.start)
    return any(letter.isalnum() for letter in rest)


def answers(recognition: Recognition, found: LookUp) -> bool:
    """Tell whether an entry answers the message, whatever its intent.

    A sure errand (order_status, ...) is never taken over by an entry that is merely alike, only by one that is asked
    for word for word; an errand and a topic of the shop only by an entry that is nearer than all their examples.
    """
    if not found.answer:
        return False
    if recognition.verdict is not Verdict.SURE:
        return True
    if not is_worth_doing(recognition.intent):
        return True
    return found.nearer and (found.same_words or recognition.intent.startswith(FAQ_PREFIX))


def settle(recognition: Recognition, found: LookUp) -> Recognition:
    """Join what was recognised with what the knowledge has: a sure entry is the intent, near ones are choices."""
    if answers(recognition, found):
        trust = next((one.trust for one in found.near if one.topic == found.answer), 1.0)
        ranked = _ranked([IntentScore(found.answer, trust)], recognition.intents)
        return replace(recognition, intents=ranked, verdict=Verdict.SURE, second_intent="")
    if recognition.verdict is Verdict.SURE or not found.near:
        return recognition
    near = [IntentScore(one.topic, one.trust) for one in found.near]
    entries = tuple(one for one in near if one.name.startswith(MERCHANT_PREFIX))
    if recognition.verdict is Verdict.ABSTAIN and entries:
        # What the gate kept out is not offered beside what it does not know of.
        return replace(recognition, intents=entries, verdict=Verdict.CLARIFY)
    merged = sorted([*near, *recognition.intents], key=lambda one: -one.confidence)
    return replace(recognition, intents=_ranked(merged, ()))


def _ranked(first: Sequence[IntentScore], rest: Sequence[IntentScore]) -> tuple[IntentScore, ...]:
    names: dict[str, IntentScore] = {}
    for one in (*first, *rest):
        names.setdefault(one.name, one)
    return tuple(names.values())[:_RANKED]
