"""The gate: learned thresholds keep wrong answers few and strangers out, at a bounded price."""

from __future__ import annotations

import numpy as np
import pytest

from intents.features import Floats
from intents.fusion import Thresholds, signs_of, softmax
from intents.training import KEPT_OUT, KEPT_RIGHT, LET_THROUGH, WRONG_SHARE, Seen, learn_thresholds

_INTENTS = 12


def _judged(count: int, strength: float, right_share: float, seed: int) -> tuple[Seen, np.ndarray]:
    random = np.random.default_rng(seed)
    labels = random.integers(0, _INTENTS, count)
    log_odds = random.normal(size=(count, _INTENTS)).astype(np.float32)
    chosen = np.where(random.random(count) < right_share, labels, (labels + 1) % _INTENTS)
    pull = random.gamma(strength, 1.0, count) * np.where(chosen == labels, 1.0, 0.4)
    log_odds[np.arange(count), chosen] += pull
    nearest = np.clip(0.4 + 0.03 * pull + random.normal(0, 0.05, count), 0, 1).astype(np.float32)
    claim = (0.5 + 0.05 * pull + random.normal(0, 0.1, count)).astype(np.float32)
    return Seen(log_odds, nearest, claim), labels


def _trust(gate: Thresholds, seen: Seen) -> Floats:
    return gate.trust(seen.signs())


@pytest.mark.parametrize("right_share", [0.7, 0.85, 0.97])
def test_gate_keeps_wrong_answers_few_and_strangers_out(right_share: float) -> None:
    """Few wrong answers whatever the accuracy; strangers stay out even where hardly anything is wrong."""
    inside, labels = _judged(2_000, 9.0, right_share, 1)
    outside, _ = _judged(150, 1.0, 0.0, 2)
    orphans, _ = _judged(2_000, 3.0, 0.0, 3)
    gate = learn_thresholds(inside, labels, orphans, outside)
    sure = _trust(gate, inside) >= gate.sure
    right = inside.log_odds.argmax(axis=1) == labels
    assert (sure & ~right).mean() <= max(WRONG_SHARE, LET_THROUGH * (~right).mean()) + 0.001
    assert gate.clarify <= gate.sure
    kept_out = (_trust(gate, outside) < gate.sure).mean()
    assert kept_out >= KEPT_OUT - 0.02 or (sure & right).sum() >= (KEPT_RIGHT - 0.01) * right.sum()


def test_gate_is_learned_without_strangers_too() -> None:
    """A shop that wrote no outside messages still gets a gate from its own intents left out."""
    inside, labels = _judged(600, 8.0, 0.9, 4)
    orphans, _ = _judged(600, 2.0, 0.0, 5)
    gate = learn_thresholds(inside, labels, orphans, None)
    assert 0 < gate.clarify <= gate.sure <= 1


def test_calibrated_confidence_keeps_the_order_and_means_how_often() -> None:
    """Confidences add up to one, keep the first first, and fit how often it is right."""
    inside, labels = _judged(3_000, 5.0, 0.8, 6)
    orphans, _ = _judged(300, 2.0, 0.0, 7)
    gate = learn_thresholds(inside, labels, orphans, None)
    told = gate.calibrated(inside.log_odds)
    right = inside.log_odds.argmax(axis=1) == labels
    assert np.allclose(told.sum(axis=1), 1, atol=1e-3)
    assert (told.argmax(axis=1) == softmax(inside.log_odds).argmax(axis=1)).all()
    assert abs(told.max(axis=1).mean() - right.mean()) < 0.05


def test_signs_are_finite_at_the_edges() -> None:
    """Certainty and total doubt give finite numbers."""
    edges = np.array([[1e4] + [0] * 11, [0] * 12, [-1e4] * 12], np.float32)
    assert np.isfinite(signs_of(edges, np.zeros(3, np.float32), np.zeros(3, np.float32))).all()
