"""From which confidence on Rasa's first intent is acted on, and from which it is asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.domain.understanding import Verdict

WRONG_SHARE = 0.05
"""The share of held-out messages that may be answered wrongly, as for the embedded engine."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Confidences, 0..1, with ``clarify`` at most ``sure``."""

    sure: float
    clarify: float

    def verdict(self, confidence: float) -> Verdict:
        """Judge the confidence of the first intent."""
        if confidence >= self.sure:
            return Verdict.SURE
        return Verdict.CLARIFY if confidence >= self.clarify else Verdict.ABSTAIN


UNLEARNED = Gate(0.7, 0.3)
"""For a model that was trained elsewhere and of which nothing is known."""


def learn_gate(inside: Sequence[tuple[float, bool]], outside: Sequence[float]) -> Gate:
    """Learn the gate from held-out messages.

    ``inside`` are confidence and rightness of messages in scope, ``outside`` the confidences of messages whose intent
    the model was not taught. ``sure`` is the lowest confidence that keeps wrong answers within ``WRONG_SHARE`` of all
    messages in scope; ``clarify`` parts the two kinds best.
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
    return Gate(sure, min(sure, _part([confidence for confidence, _ in inside], outside)))


def _part(inside: Sequence[float], outside: Sequence[float]) -> float:
    if not inside or not outside:
        return UNLEARNED.clarify
    steps = [step / 100 for step in range(1, 100)]

    def errors(step: float) -> float:
        missed = sum(confidence < step for confidence in inside) / len(inside)
        return missed + sum(confidence >= step for confidence in outside) / len(outside)

    return min(steps, key=errors)
