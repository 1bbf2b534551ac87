"""What a message means as a whole, when its clauses are heard too: denials, stories, two wishes at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from intents.clauses import Clause
from intents.features import Floats
from intents.fusion import Thresholds

_SMALL_TALK = frozenset({"greet", "goodbye", "thank", "affirm", "deny", "chitchat", "repeat", "bot_challenge", "stop"})
_LIKELY = 3


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the model makes of bare words: probabilities (intents) and the trust in the first, 0..1."""

    chances: Floats
    trust: float

    @property
    def best(self) -> int:
        """Give the index of the likeliest intent."""
        return int(self.chances.argmax())

    def likely(self) -> frozenset[int]:
        """Give the indices of the few likeliest intents."""
        return frozenset(np.argsort(-self.chances)[:_LIKELY].tolist())


@dataclass(frozen=True, slots=True)
class Weigher:
    """Weighs a message against its clauses."""

    intents: tuple[str, ...]
    thresholds: Thresholds

    def weigh(
        self, whole: Judgement, parts: Sequence[tuple[Clause, Judgement]], kept: Judgement | None
    ) -> tuple[Judgement, str]:
        """Let the clauses take part: (the first wish, the second one's intent or ``""``).

        What is denied does not count (``kept`` is the message without it), and a second thing asked is seen.
        """
        denied = frozenset(self._wish(judged) for clause, judged in parts if clause.denied)
        if kept is not None and kept.best not in denied and (whole.best in denied or self._is_business(kept)):
            left = self._without(whole, kept, denied)
            if left.trust < self._sure:
                return left, ""
            whole = left
        asked = [judged for clause, judged in parts if not clause.denied and self._is_business(judged)]
        whole = self._first(whole, asked)
        others = [judged for judged in asked if judged.best != whole.best]
        return whole, self._name(max(others, key=lambda judged: judged.trust)) if others else ""

    def _without(self, whole: Judgement, kept: Judgement, denied: frozenset[int]) -> Judgement:
        """Take the denied intents out of a judgement; where the rest and what is kept disagree, ask."""
        rest = whole.chances.copy()
        rest[list(denied)] = 0
        rest /= max(float(rest.sum()), 1e-6)
        joined = Judgement(np.asarray((rest + kept.chances) / 2, np.float32), kept.trust)
        if joined.best == kept.best and self._is_business(kept):
            return kept
        return replace(joined, trust=min(whole.trust, self.thresholds.clarify))

    def _first(self, whole: Judgement, asked: Sequence[Judgement]) -> Judgement:
        """Choose between the message as a whole and its clauses that are sure of what they want."""
        different = {judged.best for judged in asked}
        if not asked or (len(asked) == 1 and whole.trust < self.thresholds.clarify):
            return whole
        if self._name(whole) in _SMALL_TALK or (len(different) > 1 and whole.best not in different):
            return asked[0]
        same = [judged for judged in asked if judged.best == whole.best]
        if same:
            return replace(whole, trust=max(whole.trust, *(judged.trust for judged in same)))
        return asked[0] if whole.trust < self._sure and asked[0].best in whole.likely() else whole

    def _wish(self, judged: Judgement) -> int:
        """Give the likeliest intent that is no small talk: "I don't want a refund" says no, but to a refund."""
        ranked = np.argsort(-judged.chances).tolist()
        return next((index for index in ranked if self.intents[index] not in _SMALL_TALK), judged.best)

    @property
    def _sure(self) -> float:
        return self.thresholds.sure

    def _is_business(self, judged: Judgement) -> bool:
        return judged.trust >= self._sure and self._name(judged) not in _SMALL_TALK

    def _name(self, judged: Judgement) -> str:
        return self.intents[judged.best]
