"""How much each head's opinion weighs, by how a message is written; and how sure that makes us."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bot.domain.understanding import Language, Script
from intents.features import Floats

ENCODER = "encoder"
"""The head that judges by the sentence encoder."""
PINYIN = "pinyin"
CHINESE = ("zh", "hant", PINYIN, "mixed")
LATIN = ("en", "other")
GROUPS = CHINESE + LATIN
"""Ways of writing that get weights of their own."""


def group_of(language: Language, script: Script) -> str:
    """Name the group of a message."""
    if script is Script.PINYIN:
        return PINYIN
    if language is Language.MIXED:
        return "mixed"
    if script is Script.HANT:
        return "hant"
    return language.value


@dataclass(frozen=True, slots=True)
class Fusion:
    """Weights of the heads by group: log-odds are the weighted sum of the heads' scores."""

    heads: tuple[str, ...]
    weights: Mapping[str, tuple[float, ...]]

    def join(self, scores: Mapping[str, Floats], groups: Sequence[str]) -> Floats:
        """Join the heads' scores, each (texts, intents), into log-odds (texts, intents); softmax makes chances."""
        weights = np.array([self.weights[group] for group in groups], np.float32)
        joined = sum(scores[head] * weights[:, [index]] for index, head in enumerate(self.heads))
        return np.asarray(joined, np.float32)

    def to_json(self) -> dict[str, Any]:
        """Shape for the manifest."""
        return {"heads": list(self.heads), "weights": {name: list(row) for name, row in self.weights.items()}}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Fusion:
        """Make it again from the manifest."""
        weights = {name: tuple(float(value) for value in row) for name, row in data["weights"].items()}
        return cls(tuple(data["heads"]), weights)


def softmax(logits: Floats) -> Floats:
    """Turn log-odds into probabilities, row by row."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True), np.float32)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is sure enough to act on and what is worth asking about, learned at training.

    ``weights`` and ``bias`` make one number (log-odds of being right and in scope) of a judgement's signs;
    ``sure`` and ``clarify`` are the probabilities from which we act and from which we ask. ``slope`` and ``shift``
    bring the first intent's log-odds to how often it is right.
    """

    weights: tuple[float, ...]
    bias: float
    sure: float
    clarify: float
    slope: float = 1.0
    shift: float = 0.0

    def trust(self, signs: Floats) -> Floats:
        """Give the probability that the first intent of each row is right, from its signs (texts, signs)."""
        log_odds = signs @ np.array(self.weights, np.float32) + np.float32(self.bias)
        return np.asarray(1 / (1 + np.exp(-np.clip(log_odds, -30, 30))), np.float32)

    def calibrated(self, log_odds: Floats) -> Floats:
        """Turn joined log-odds (texts, intents) into confidences that mean how often the first is right."""
        chances = softmax(log_odds)
        rows = np.arange(len(chances))
        best = chances.argmax(axis=1)
        first = np.clip(chances[rows, best], 1e-6, 1 - 1e-6)
        told = 1 / (1 + np.exp(-(self.slope * np.log(first / (1 - first)) + self.shift)))
        chances *= ((1 - told) / (1 - first))[:, None]
        chances[rows, best] = 0
        # The order stays: the first never falls below the second.
        chances[rows, best] = np.maximum(told, 1.0001 * chances.max(axis=1))
        return np.asarray(chances / chances.sum(axis=1, keepdims=True), np.float32)


def claim_of(scores: Mapping[str, Floats]) -> Floats:
    """Add up what speaks for any intent at all, about 1 in the trade and 0 outside of it: (texts).

    The encoder's head is asked, and all of them where it is missing.
    """
    asked = [scores[ENCODER]] if ENCODER in scores else list(scores.values())
    return np.asarray(sum(head.sum(axis=1) for head in asked), np.float32)


def signs_of(log_odds: Floats, nearest: Floats, claim: Floats) -> Floats:
    """Sum up how a judgement looks: (texts, 6).

    The log-odds of the first intent, its lead over the second, the spread over all, how near the nearest example
    is (``nearest``: texts, a cosine), how much speaks for the first intent, and for the trade at all (``claim``).
    """
    chances = softmax(log_odds)
    ranked = np.sort(chances, axis=1)[:, ::-1]
    first = np.clip(ranked[:, 0], 1e-6, 1 - 1e-6)
    second = np.clip(ranked[:, 1], 1e-6, 1)
    spread = -(chances * np.log(np.clip(chances, 1e-9, 1))).sum(axis=1)
    columns = (np.log(first / (1 - first)), np.log(first / second), spread, nearest, log_odds.max(axis=1), claim)
    return np.stack(columns, axis=1).astype(np.float32)
