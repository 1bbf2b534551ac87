"""What the recogniser makes of a message."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

ABSTAIN = "oos"
"""The label of a message no intent fits; used in test sets, never returned as an intent."""
FAQ_PREFIX = "faq/"


class Language(StrEnum):
    """The language of a message by its share of CJK letters; ``MIXED`` has a good part of both."""

    ZH = "zh"
    EN = "en"
    MIXED = "mixed"
    OTHER = "other"


class Script(StrEnum):
    """How the message is written."""

    HANS = "hans"
    HANT = "hant"
    PINYIN = "pinyin"
    LATIN = "latin"
    OTHER = "other"


class Verdict(StrEnum):
    """How sure the recogniser is, by thresholds learned at training."""

    SURE = "sure"
    CLARIFY = "clarify"
    ABSTAIN = "abstain"


class Urgency(StrEnum):
    """A reason to fetch a human at once, whatever the intent."""

    NONE = ""
    ANGRY = "angry"
    LEGAL = "legal"
    PRESS = "press"
    AUTHORITY = "authority"
    POLICE = "police"
    HEALTH = "health"
    SELF_HARM = "self_harm"


@dataclass(frozen=True, slots=True)
class IntentScore:
    """An intent and its confidence, 0..1."""

    name: str
    confidence: float


@dataclass(frozen=True, slots=True)
class Entity:
    """A value found in the text: ``value`` normalised, ``start`` and ``end`` in characters of the original."""

    name: str
    value: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class Sentiment:
    """Mood from -1 (bitter) to 1 (glad), with the flag for a human."""

    score: float = 0.0
    urgency: Urgency = Urgency.NONE


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a message means: ranked intents (best first), entities, language, script, mood, verdict.

    ``second_intent`` is a further intent expressed in the same message, if one was seen.
    """

    intents: tuple[IntentScore, ...] = ()
    verdict: Verdict = Verdict.ABSTAIN
    entities: tuple[Entity, ...] = ()
    language: Language = Language.OTHER
    script: Script = Script.OTHER
    sentiment: Sentiment = field(default_factory=Sentiment)
    second_intent: str = ""
    engine: str = ""

    @property
    def intent(self) -> str:
        """Name the best intent, or ``""`` when there is none."""
        return self.intents[0].name if self.intents else ""

    @property
    def confidence(self) -> float:
        """Give the best intent's confidence, 0 when there is none."""
        return self.intents[0].confidence if self.intents else 0.0

    def entity(self, name: str) -> str:
        """Give the first value of the entity ``name``, or ``""``."""
        return next((found.value for found in self.entities if found.name == name), "")

    def summary(self) -> dict[str, Any]:
        """Shape what a transcript keeps: intent, confidence, verdict, language, engine; no text."""
        return {
            "intent": self.intent,
            "confidence": round(self.confidence, 3),
            "verdict": self.verdict.value,
            "language": self.language.value,
            "engine": self.engine,
            "sentiment": round(self.sentiment.score, 2),
            "urgency": self.sentiment.urgency.value,
        }


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the conversation waits for, given to the recogniser: the open form and the entity asked for."""

    form: str = ""
    entity: str = ""
    yes_no: bool = False
