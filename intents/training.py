"""Learn from the heads' cross-validated scores how much each weighs, and when to act and when to ask."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intents.features import Floats
from intents.fusion import GROUPS, Fusion, Thresholds, signs_of

FOLDS = 5
DIRECTIONS = 160
WRONG_SHARE = 0.05
"""The share of messages we accept to answer wrongly; the gate is as open as this allows."""
LET_THROUGH = 1 / 3
"""The share of misunderstood messages that may be answered, where that allows more.

Examples written to be unlike each other are judged wrongly, without their fold, several times as often as shoppers'
messages. The share of errors that a gate catches carries over from them; the share of wrong answers does not.
"""
KEPT_OUT = 0.88
"""The share of messages outside of the trade that we neither act on nor ask about."""
NOT_ACTED_ON = 0.98
"""The share of messages outside of the trade that we do not act on."""
KEPT_RIGHT = 0.985
"""The share of rightly understood messages that keeping strangers out must not cost."""
_SHRINK = 2.0
_SCALE = 10.0
_SEED = 2
_ORPHAN_SHARE = 0.1
_OUTSIDE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Judged:
    """Cross-validated scores of the training examples: what the heads say without having seen them.

    ``within`` holds scores (examples, intents) with the example's fold left out, ``without`` the same with its whole
    intent left out, which makes it a message out of scope.
    """

    within: Mapping[str, Floats]
    without: Mapping[str, Floats]

    def of(self, heads: Iterable[str]) -> Judged:
        """Leave only some heads."""
        chosen = tuple(heads)
        return Judged({head: self.within[head] for head in chosen}, {head: self.without[head] for head in chosen})


def deal_folds(labels: NDArray[np.int64], twins: NDArray[np.int64]) -> NDArray[np.int64]:
    """Deal examples to folds, evenly within each intent; near-twins (same number in ``twins``) stay together."""
    random = np.random.default_rng(_SEED)
    folds = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        families = random.permutation(np.unique(twins[members]))
        place = {family: index % FOLDS for index, family in enumerate(families)}
        folds[members] = [place[twins[member]] for member in members]
    return folds


def main_directions(vectors: Floats) -> Floats:
    """Find the directions that most of the vectors' length lies in: (dimensions, at most ``DIRECTIONS``)."""
    _, directions = np.linalg.eigh(vectors.T @ vectors)
    return np.ascontiguousarray(directions[:, ::-1][:, :DIRECTIONS], np.float32)


def learn_fusion(scores: Mapping[str, Floats], labels: NDArray[np.int64], groups: Sequence[str]) -> Fusion:
    """Learn the heads' weights for all and, drawn towards those, for each group (maximum likelihood)."""
    heads = tuple(scores)
    everyone = np.stack([scores[head] for head in heads])
    start = np.full(len(heads), _SCALE)
    common = _fit_weights(everyone, labels, start, np.zeros(len(heads)))
    weights = {}
    named = np.array(groups)
    for group in GROUPS:
        rows = np.flatnonzero(named == group)
        fitted = _fit_weights(everyone[:, rows], labels[rows], common, common) if len(rows) > len(heads) else common
        weights[group] = tuple(float(value) for value in fitted)
    return Fusion(heads, weights)


def _fit_weights(
    scores: Floats, labels: NDArray[np.int64], start: NDArray[np.float64], towards: NDArray[np.float64]
) -> NDArray[np.float64]:
    from scipy.optimize import minimize  # noqa: PLC0415 (training only)

    rows = np.arange(len(labels))
    pull = _SHRINK / _SCALE**2 if towards.any() else 1e-4

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = np.tensordot(weights.astype(np.float32), scores, 1)
        logits -= logits.max(axis=1, keepdims=True)
        chances = np.exp(logits)
        chances /= chances.sum(axis=1, keepdims=True)
        likelihood = -np.log(np.clip(chances[rows, labels], 1e-9, 1)).sum()
        chances[rows, labels] -= 1
        slope = np.array([float((chances * head).sum()) for head in scores])
        away = weights - towards
        return float(likelihood + pull * away @ away), slope + 2 * pull * away

    bounds = [(0.0, 200.0)] * len(start)
    return np.asarray(minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)


@dataclass(frozen=True, slots=True)
class Seen:
    """Judgements to learn the gate from.

    Joined log-odds (texts, intents), the nearest example's cosine and what speaks for the trade at all (texts).
    """

    log_odds: Floats
    nearest: Floats
    claim: Floats

    def signs(self) -> Floats:
        """Sum the judgements up."""
        return signs_of(self.log_odds, self.nearest, self.claim)

    def take(self, members: NDArray[np.int64]) -> Seen:
        """Give some of the judgements."""
        return Seen(self.log_odds[members], self.nearest[members], self.claim[members])


def learn_thresholds(inside: Seen, labels: NDArray[np.int64], orphans: Seen, outside: Seen | None) -> Thresholds:
    """Learn when to act and when to ask.

    From examples judged without their fold (``inside``), without their whole intent (``orphans``: near-domain messages
    that no intent fits) and, where there are any, messages of another trade (``outside``).
    """
    right = inside.log_odds.argmax(axis=1) == labels
    parts = [inside.signs(), orphans.signs(), *([outside.signs()] if outside else [])]
    shares = [1.0, _ORPHAN_SHARE, _OUTSIDE_SHARE]
    importance = np.concatenate(
        [np.full(len(part), share * len(right) / len(part)) for part, share in zip(parts, shares, strict=False)]
    )
    truth = np.concatenate([right, np.zeros(sum(map(len, parts[1:])), bool)])
    weights, bias = _fit_trust(np.concatenate(parts), truth, importance)
    gate = Thresholds(tuple(float(weight) for weight in weights), float(bias), 0.5, 0.2)
    trust, strange = gate.trust(parts[0]), gate.trust(parts[-1])
    # Keep strangers out, but not at the price of many we would have answered rightly.
    closed = float(np.quantile(strange, KEPT_OUT)) if outside else _part(trust, strange)
    shut = float(np.quantile(strange, NOT_ACTED_ON)) if outside else closed
    allowed = max(WRONG_SHARE, LET_THROUGH * float((~right).mean()))
    sure = max(_open_gate(trust, right, allowed), min(shut, float(np.quantile(trust[right], 1 - KEPT_RIGHT))))
    clarify = min(sure, closed)
    slope, shift = _fit_trust(parts[0][:, :1], right, np.ones(len(right)))
    return Thresholds(gate.weights, gate.bias, sure, clarify, float(slope[0]), shift)


def _fit_trust(
    signs: Floats, right: NDArray[np.bool_], importance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], float]:
    from scipy.optimize import minimize  # noqa: PLC0415 (training only)

    middle, spread = signs.mean(axis=0), signs.std(axis=0) + 1e-6
    rows = ((signs - middle) / spread).astype(np.float64)
    sides = np.where(right, 1.0, -1.0)

    def loss(weights: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        margins = sides * (rows @ weights[:-1] + weights[-1])
        pushed = -importance * sides / (1 + np.exp(np.clip(margins, -30, 30)))
        value = (importance * np.logaddexp(0, -margins)).sum() + 0.5 * weights[:-1] @ weights[:-1]
        return float(value), np.append(pushed @ rows + weights[:-1], pushed.sum())

    found = minimize(loss, np.zeros(rows.shape[1] + 1), jac=True, method="L-BFGS-B").x
    weights = found[:-1] / spread
    return weights, float(found[-1] - weights @ middle)


def _open_gate(trust: Floats, right: NDArray[np.bool_], allowed_share: float) -> float:
    """Find the lowest trust to act on that keeps wrong answers within a share of all."""
    order = np.argsort(-trust)
    wrong = np.cumsum(~right[order]) / len(trust)
    allowed = np.flatnonzero(wrong <= allowed_share)
    return float(trust[order[allowed[-1]]]) if len(allowed) else 1.0


def _part(inside: Floats, outside: Floats) -> float:
    """Find the trust that best parts messages in scope from those out of it (equal weight to both)."""
    steps = np.unique(np.quantile(np.concatenate([inside, outside]), np.linspace(0.01, 0.99, 99)))
    errors = [(inside < step).mean() + (outside >= step).mean() for step in steps]
    return float(steps[int(np.argmin(errors))])
