"""One training: the examples as numbers, the heads learned from them, the gate learned from what they get wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intents.arithmetic import Spread, one_core_each, shared_cores
from intents.comparing import cosines_of_rows, cosines_of_vectors, likeness_of_head, nearest_elsewhere
from intents.features import SURFACES, Floats, Postings, Rows, Vocabulary, count
from intents.fusion import CHINESE, GROUPS, LATIN, claim_of
from intents.kernels import ENCODER_VIEW, HEADS, RICH_ENCODER, Examples, Head, Surface
from intents.model import FULL, SURFACE_ONLY, Profile
from intents.ridge import judge, targets
from intents.training import Judged, Seen, learn_fusion, learn_thresholds, main_directions

_RAREST = {"word": 1, "char": 2, "sound": 2}
_MANY = 80
"""Examples an intent and language from which surface words help the encoder's head (measured on public data)."""
_A_LANGUAGE = 0.1
NO_INTENT = -1
"""The label of a message from outside of the trade."""
_NEAREST = {SURFACE_ONLY: "char", FULL: ENCODER_VIEW}


@dataclass(frozen=True, slots=True)
class Texts:
    """Messages as the views see them."""

    words: tuple[str, ...]
    groups: tuple[str, ...]
    vectors: Floats | None


@dataclass(frozen=True, slots=True)
class Lesson:
    """The messages as numbers: label, fold and group of each; strangers, labelled ``NO_INTENT``, stand last."""

    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    groups: tuple[str, ...]

    @property
    def taught(self) -> NDArray[np.bool_]:
        """Tell which messages are examples of an intent."""
        return np.asarray(self.labels >= 0)

    def members(self, groups: Sequence[str]) -> NDArray[np.int64]:
        """List the messages of some groups, fold by fold and in each intent by intent: what is left out together."""
        found = np.flatnonzero([group in groups for group in self.groups])
        return found[np.lexsort((self.labels[found], self.folds[found]))]

    def abounds(self) -> bool:
        """Tell whether there are many examples for each intent and language."""
        languages = sum(len(self.members(groups)) > _A_LANGUAGE * len(self.labels) for groups in (CHINESE, LATIN))
        taught = self.labels[self.taught]
        return len(taught) >= _MANY * len(np.unique(taught)) * max(1, languages)


def compare(texts: Texts, taught: int) -> tuple[Examples, dict[str, Rows]]:
    """Learn what each view needs to compare a message with the examples, and the examples' own rows."""
    words, vectors = texts.words, texts.vectors
    surfaces: dict[str, Surface] = {}
    rows: dict[str, Rows] = {}
    for name in SURFACES:
        counted = count(name, words)
        vocabulary = Vocabulary.learn(counted, _RAREST[name])
        rows[name] = vocabulary.rows(counted)
        surfaces[name] = Surface(vocabulary, Postings.turn(rows[name], len(vocabulary.features)))
    with one_core_each():
        projection = None if vectors is None else main_directions(vectors)
    projected = None if vectors is None or projection is None else vectors @ projection
    return Examples(surfaces, projected, projection, taught), rows


def learn(
    examples: Examples, rows: dict[str, Rows], lesson: Lesson, progress: Callable[[str, float], None]
) -> tuple[dict[str, Profile], dict[str, dict[str, Floats]], float]:
    """Learn heads, fusion and thresholds: (profiles, what is learned by head and view, cross-validated accuracy)."""
    heads = {name: head for name, head in HEADS.items() if all(view in examples.views for view in head.mixture)}
    if "encoder" in heads and lesson.abounds():
        heads["encoder"] = RICH_ENCODER
    wanted = targets(lesson.labels, int(lesson.labels.max()) + 1)
    learned: dict[str, dict[str, Floats]] = {}
    judged = Judged({}, {})
    with shared_cores() as spread:
        comparison = _Comparison(examples, rows, spread)
        for step, (name, head) in enumerate(heads.items()):
            progress("learning", step / len(heads))
            members = lesson.members(head.groups)
            if len(members):
                groups = lesson.folds[members], lesson.labels[members]
                answers = judge(comparison.likeness(head, members), wanted[members], groups, spread)
                solved, within, without = (_spaced(part, members, len(wanted)) for part in answers)
                learned[name] = {view: comparison.by_view(view, solved, head) for view in head.mixture}
                judged = Judged({**judged.within, name: within}, {**judged.without, name: without})
        profiles = {}
        accuracy = 0.0
        for name in (SURFACE_ONLY, FULL) if "encoder" in learned else (SURFACE_ONLY,):
            used = {head: heads[head] for head in learned if name == FULL or ENCODER_VIEW not in heads[head].mixture}
            nearest = comparison.nearest(_NEAREST[name], lesson)
            profiles[name], accuracy = _conclude(used, judged.of(used), lesson, nearest)
    progress("learning", 1.0)
    return profiles, learned, accuracy


def _spaced(part: Floats, members: NDArray[np.int64], size: int) -> Floats:
    """Put the rows of some messages among those of all, which are zero."""
    whole = np.zeros((size, part.shape[1]), np.float32)
    whole[members] = part
    return whole


def _conclude(
    heads: dict[str, Head], judged: Judged, lesson: Lesson, nearest: tuple[Floats, Floats]
) -> tuple[Profile, float]:
    inside, outside = np.flatnonzero(lesson.taught), np.flatnonzero(~lesson.taught)
    labels = lesson.labels[inside]
    within = {head: scores[inside] for head, scores in judged.within.items()}
    fusion = learn_fusion(within, labels, [lesson.groups[index] for index in inside])
    by_fold, by_intent = (
        Seen(fusion.join(scores, lesson.groups), near, claim_of(scores))
        for scores, near in zip((judged.within, judged.without), nearest, strict=True)
    )
    seen, strangers = by_fold.take(inside), by_fold.take(outside) if len(outside) else None
    thresholds = learn_thresholds(seen, labels, by_intent.take(inside), strangers)
    return Profile(heads, fusion, thresholds), float((seen.log_odds.argmax(axis=1) == labels).mean())


class _Comparison:
    """Cosines among the messages of one group of heads, each view computed once."""

    def __init__(self, examples: Examples, rows: dict[str, Rows], spread: Spread) -> None:
        self._examples, self._rows, self._spread = examples, rows, spread
        self._known: dict[tuple[str, bytes], Floats] = {}

    def cosines(self, view: str, members: NDArray[np.int64]) -> Floats:
        """Compare the messages ``members`` with each other: (members, members)."""
        key = view, members.tobytes()
        if key not in self._known:
            self._known[key] = self._compute(view, members)
        return self._known[key]

    def _compute(self, view: str, members: NDArray[np.int64]) -> Floats:
        vectors = self._examples.vectors
        if view == ENCODER_VIEW and vectors is not None:
            return cosines_of_vectors(np.ascontiguousarray(vectors[members]), self._spread)
        size = len(self._examples.surfaces[view].vocabulary.features)
        return cosines_of_rows(self._rows[view].take(members), size, self._spread)

    def likeness(self, head: Head, members: NDArray[np.int64]) -> Floats:
        """Mix the views of a head: (members, members)."""
        return likeness_of_head(head, {view: self.cosines(view, members) for view in head.mixture}, self._spread)

    def by_view(self, view: str, solved: Floats, head: Head) -> Floats:
        """Say what a head has learned in one view, from its coefficients (examples, intents).

        A surface view's likeness is linear, so it can be told feature by feature: (features, intents), in halves.
        """
        if view == ENCODER_VIEW:
            return solved
        from scipy.sparse import csr_array  # noqa: PLC0415 (training only)

        rows = self._rows[view]
        size = len(rows.starts) - 1, len(self._examples.surfaces[view].vocabulary.features)
        turned = csr_array((rows.values, rows.columns, rows.starts), shape=size).T
        return np.asarray(head.mixture[view] * (turned @ solved), np.float16)

    def nearest(self, view: str, lesson: Lesson) -> tuple[Floats, Floats]:
        """Give each message's nearest cosine, first outside of its fold, then outside of its intent."""
        by_fold, by_intent = np.zeros((2, len(lesson.labels)), np.float32)
        for groups in (GROUPS,) if view == ENCODER_VIEW else (CHINESE, LATIN):
            members = lesson.members(groups)
            if len(members):
                cosines, taught = self.cosines(view, members), lesson.taught[members]
                for found, parts in ((by_fold, lesson.folds), (by_intent, lesson.labels)):
                    found[members] = nearest_elsewhere(cosines, parts[members], taught, self._spread)
        return by_fold, by_intent
