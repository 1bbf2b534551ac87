"""One training: the examples as numbers, the heads learned from them, the gate learned from what they get wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intents.features import SURFACES, Floats, Postings, Rows, Vocabulary, count
from intents.fusion import CHINESE, GROUPS, LATIN, NO_THRESHOLDS, Fusion
from intents.kernels import ENCODER_VIEW, HEADS, RICH_ENCODER, Examples, Head, Surface, head_scores, mix
from intents.model import FULL, SURFACE_ONLY, Profile
from intents.training import (
    Judged,
    Seen,
    judge,
    learn_fusion,
    learn_thresholds,
    main_directions,
    nearest_elsewhere,
)

_RAREST = {"word": 1, "char": 2, "sound": 2}
_MANY = 80
"""Examples an intent and language from which surface words help the encoder's head (measured on public data)."""
_A_LANGUAGE = 0.1
_NEAREST = {SURFACE_ONLY: "char", FULL: ENCODER_VIEW}


@dataclass(frozen=True, slots=True)
class Texts:
    """Messages as the views see them."""

    words: tuple[str, ...]
    groups: tuple[str, ...]
    vectors: Floats | None


@dataclass(frozen=True, slots=True)
class Lesson:
    """The examples as numbers: label, fold and group of each."""

    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    groups: tuple[str, ...]
    strangers: Texts

    def members(self, groups: Sequence[str]) -> NDArray[np.int64]:
        """List the examples of some groups."""
        return np.flatnonzero([group in groups for group in self.groups])

    def abounds(self) -> bool:
        """Tell whether there are many examples for each intent and language."""
        languages = sum(len(self.members(groups)) > _A_LANGUAGE * len(self.labels) for groups in (CHINESE, LATIN))
        return len(self.labels) >= _MANY * len(np.unique(self.labels)) * max(1, languages)


def compare(texts: Texts) -> tuple[Examples, dict[str, Rows]]:
    """Learn what each view needs to compare a message with the examples, and the examples' own rows."""
    words, vectors = texts.words, texts.vectors
    surfaces: dict[str, Surface] = {}
    rows: dict[str, Rows] = {}
    for name in SURFACES:
        counted = count(name, words)
        vocabulary = Vocabulary.learn(counted, _RAREST[name])
        rows[name] = vocabulary.rows(counted)
        surfaces[name] = Surface(vocabulary, Postings.turn(rows[name], len(vocabulary.features)))
    projection = None if vectors is None else main_directions(vectors)
    projected = None if vectors is None or projection is None else vectors @ projection
    return Examples(surfaces, projected, projection), rows


def learn(
    examples: Examples, rows: dict[str, Rows], lesson: Lesson, progress: Callable[[str, float], None]
) -> tuple[dict[str, Profile], dict[str, Floats], float]:
    """Learn heads, fusion and thresholds: (profiles, coefficients by head, cross-validated accuracy)."""
    heads = {name: head for name, head in HEADS.items() if all(view in examples.views for view in head.mixture)}
    if "encoder" in heads and lesson.abounds():
        heads["encoder"] = RICH_ENCODER
    coefficients: dict[str, Floats] = {}
    judged = Judged({}, {})
    comparison = _Comparison(examples, rows)
    for step, (name, head) in enumerate(heads.items()):
        progress("learning", step / len(heads))
        members = lesson.members(head.groups)
        if len(members):
            likeness = comparison.likeness(head, members)
            coefficients[name], within, without = judge(likeness, members, lesson.labels, lesson.folds)
            judged = Judged({**judged.within, name: within}, {**judged.without, name: without})
    profiles = {}
    accuracy = 0.0
    for name in (SURFACE_ONLY, FULL) if "encoder" in coefficients else (SURFACE_ONLY,):
        used = {head: heads[head] for head in coefficients if name == FULL or ENCODER_VIEW not in heads[head].mixture}
        fusion = learn_fusion({head: judged.within[head] for head in used}, lesson.labels, lesson.groups)
        inside, orphans = _seen(fusion, judged, comparison, lesson, _NEAREST[name])
        outside = _judge_outside(lesson, examples, Profile(used, fusion, NO_THRESHOLDS), coefficients, _NEAREST[name])
        profiles[name] = Profile(used, fusion, learn_thresholds(inside, lesson.labels, orphans, outside))
        accuracy = float((inside.log_odds.argmax(axis=1) == lesson.labels).mean())
    progress("learning", 1.0)
    return profiles, coefficients, accuracy


def _seen(fusion: Fusion, judged: Judged, comparison: _Comparison, lesson: Lesson, near: str) -> tuple[Seen, Seen]:
    by_fold, by_intent = comparison.nearest(near, lesson)
    inside = Seen(fusion.join(judged.within, lesson.groups), by_fold)
    return inside, Seen(fusion.join(judged.without, lesson.groups), by_intent)


def _judge_outside(
    lesson: Lesson, examples: Examples, profile: Profile, coefficients: dict[str, Floats], near: str
) -> Seen | None:
    strangers = lesson.strangers
    if not strangers.words:
        return None
    cosines = examples.surface_cosines(strangers.words)
    if strangers.vectors is not None:
        cosines |= examples.encoded_cosines(strangers.vectors)
    scores = {
        name: head_scores(head, coefficients[name], cosines, strangers.groups) for name, head in profile.heads.items()
    }
    return Seen(profile.fusion.join(scores, strangers.groups), cosines[near].max(axis=1))


class _Comparison:
    """Cosines among the examples of one group of heads, each view computed once."""

    def __init__(self, examples: Examples, rows: dict[str, Rows]) -> None:
        self._examples, self._rows = examples, rows
        self._known: dict[tuple[str, bytes], Floats] = {}

    def cosines(self, view: str, members: NDArray[np.int64]) -> Floats:
        """Compare the examples ``members`` with each other: (members, members)."""
        key = view, members.tobytes()
        if key not in self._known:
            self._known[key] = self._compute(view, members)
        return self._known[key]

    def _compute(self, view: str, members: NDArray[np.int64]) -> Floats:
        vectors = self._examples.vectors
        if view == ENCODER_VIEW and vectors is not None:
            return np.asarray(vectors[members] @ vectors[members].T, np.float32)
        chosen = self._rows[view].take(members)
        size = len(self._examples.surfaces[view].vocabulary.features)
        return Postings.turn(chosen, size).cosines(chosen)

    def likeness(self, head: Head, members: NDArray[np.int64]) -> Floats:
        """Mix the views of a head: (members, members)."""
        return mix({view: self.cosines(view, members) for view in head.mixture}, head.mixture)

    def nearest(self, view: str, lesson: Lesson) -> tuple[Floats, Floats]:
        """Give each example's nearest cosine, first outside of its fold, then outside of its intent."""
        by_fold, by_intent = np.zeros((2, len(lesson.labels)), np.float32)
        for groups in (GROUPS,) if view == ENCODER_VIEW else (CHINESE, LATIN):
            members = lesson.members(groups)
            if len(members):
                cosines = self.cosines(view, members)
                by_fold[members] = nearest_elsewhere(cosines, lesson.folds[members])
                by_intent[members] = nearest_elsewhere(cosines, lesson.labels[members])
        return by_fold, by_intent
