"""From which confidence on Rasa's first intent is acted on, and from which it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.understanding import Verdict
from intents.rasa.cutting import cut

WRONG_SHARE = 0.05
"""The share of held-out messages that may be answered wrongly, as for the embedded engine."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Confidences, 0..1, with ``clarify`` at most ``sure``; what is like nothing that was taught is not acted on.

    Rasa counts what it sees: a message longer than any it was taught makes it sure of anything, and of one without a
    ``known`` word (a Chinese character is one; none at all: not asked) it says what is most usual.
    """

    sure: float
    clarify: float
    most_chars: int = 300
    known: frozenset[str] = frozenset()

    def verdict(self, confidence: float, text: str) -> Verdict:
        """Judge the confidence of the first intent of a message as Rasa was given it."""
        if confidence >= self.sure and self._is_familiar(text):
            return Verdict.SURE
        return Verdict.CLARIFY if confidence >= self.clarify else Verdict.ABSTAIN

    def _is_familiar(self, text: str) -> bool:
        return len(text) <= self.most_chars and (not self.known or not self.known.isdisjoint(words_of(text)))


def words_of(text: str) -> set[str]:
    """List the words of a message, or of an example."""
    return {word.lower() for word, _ in cut(text)}


UNLEARNED = Gate(0.7, 0.3)
"""For a model that was trained elsewhere and of which nothing is known."""


def learn_gate(inside: Sequence[tuple[float, bool]], outside: Sequence[float], most_chars: int) -> Gate:
    """Learn the gate from held-out messages.

    ``inside`` are confidence and rightness of messages in scope, ``outside`` the confidences of messages whose intent
    the model was not taught. ``sure`` is the lowest confidence that keeps wrong answers within ``WRONG_SHARE`` of all
    messages in scope; ``clarify`` parts the two kinds best. ``most_chars`` is the length of the longest message taught.
    """
    sure, wrong = 1.0, 0
    ranked = sorted(inside, key=lambda judged: -judged[0])
    for index, (confidence, right) in enumerate(ranked):
        wrong += not right
        if wrong > WRONG_SHARE * len(ranked):
            break
        # Equal confidences stand or fall together.
        if index + 1 == len(ranked) or ranked[index + 1][0] < confidence:
            sure = confidence
    return Gate(sure, min(sure, _part([confidence for confidence, _ in inside], outside)), most_chars)


def _part(inside: Sequence[float], outside: Sequence[float]) -> float:
    if not inside or not outside:
        return UNLEARNED.clarify
    steps = [step / 100 for step in range(1, 100)]

    def errors(step: float) -> float:
        missed = sum(confidence < step for confidence in inside) / len(inside)
        return missed + sum(confidence >= step for confidence in outside) / len(outside)

    return min(steps, key=errors)
