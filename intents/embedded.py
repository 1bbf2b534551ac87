"""The embedded engine's front door: train a model, see whether it is current, load it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bot.domain.clock import Clock
from bot.domain.errors import ConfigError, ModelRefused
from intents import model as models
from intents.encoder import Encoder, load_encoder
from intents.encodings import EncodingCache
from intents.features import SURFACES, Floats, Postings, Rows, Vocabulary, count
from intents.fusion import CHINESE, GROUPS, LATIN, NO_THRESHOLDS, group_of
from intents.kernels import ENCODER_VIEW, HEADS, Examples, Head, Surface, head_scores, mix
from intents.model import FULL, SURFACE_ONLY, Model, Profile
from intents.numbers import compile_shapes
from intents.reading import read
from intents.recogniser import EmbeddedRecogniser
from intents.shapes import Shapes
from intents.training import (
    Judged,
    Seen,
    deal_folds,
    judge,
    learn_fusion,
    learn_thresholds,
    main_directions,
    nearest_elsewhere,
)
from intents.training_data import Example, hash_data, read_examples, read_outside

Progress = Callable[[str, float], None]
_RAREST = {"word": 1, "char": 2, "sound": 2}
_A_DAY = date(2024, 1, 1)
_FEWEST_EXAMPLES = 10


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """What a training did; ``accuracy`` is cross-validated, in scope, before the gate."""

    examples: int
    intents: int
    seconds: float
    accuracy: float
    engine: str


def train(source: Path, model_dir: Path, progress: Progress) -> TrainingReport:
    """Train from the files below ``source`` and make the result the current model of ``model_dir``.

    ``progress`` is called with what is being done and how much of it is done, 0..1. Raises ConfigError when the data
    cannot be read or is too small.
    """
    return train_with(source, model_dir, progress, load_encoder())


def train_with(source: Path, model_dir: Path, progress: Progress, encoder: Encoder | None) -> TrainingReport:
    """Train with a given encoder, or with the surface views alone (None)."""
    started = time.perf_counter()
    progress("reading", 0.0)
    stamp = models.stamp_now(hash_data(source))
    data = read_examples(source)
    labels, intents = _labels(data)
    inside, strangers = _read(data, read_outside(source), model_dir, encoder, progress)
    examples, rows = _views(list(inside.words), inside.vectors)
    lesson = _Lesson(labels, deal_folds(labels, _twins(inside.words)), inside.groups, strangers)
    profiles, coefficients, accuracy = _learn(examples, rows, lesson, progress)
    progress("saving", 0.0)
    models.save(Model(stamp, intents, examples, coefficients, profiles), model_dir)
    progress("saving", 1.0)
    engine = FULL if FULL in profiles else SURFACE_ONLY
    return TrainingReport(len(data), len(intents), time.perf_counter() - started, accuracy, engine)


def _read(
    data: Sequence[Example], outside: Sequence[str], model_dir: Path, encoder: Encoder | None, progress: Progress
) -> tuple[_Texts, _Texts]:
    shapes = compile_shapes(Shapes())
    readings = [read(text, shapes, _A_DAY) for text in (*(example.text for example in data), *outside)]
    progress("reading", 1.0)
    words = tuple(reading.words for reading in readings)
    groups = tuple(group_of(reading.language, reading.script) for reading in readings)
    vectors = EncodingCache(model_dir, encoder).encode(words, progress) if encoder else None
    cut = len(data)
    return (
        _Texts(words[:cut], groups[:cut], None if vectors is None else vectors[:cut]),
        _Texts(words[cut:], groups[cut:], None if vectors is None else vectors[cut:]),
    )


def _labels(data: Sequence[Example]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    intents = tuple(sorted({example.intent for example in data}))
    if len(data) < _FEWEST_EXAMPLES or len(intents) < 2:  # noqa: PLR2004
        raise ConfigError(
            f"{len(data)} examples of {len(intents)} intents are too few to learn from; "
            f"write at least {_FEWEST_EXAMPLES} examples and two intents below nlu/ and faq/"
        )
    index = {intent: number for number, intent in enumerate(intents)}
    return np.array([index[example.intent] for example in data], np.int64), intents


def _views(words: list[str], vectors: Floats | None) -> tuple[Examples, dict[str, Rows]]:
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


@dataclass(frozen=True, slots=True)
class _Texts:
    """Messages as the views see them."""

    words: tuple[str, ...]
    groups: tuple[str, ...]
    vectors: Floats | None


@dataclass(frozen=True, slots=True)
class _Lesson:
    """The examples as numbers: label, fold and group of each."""

    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    groups: tuple[str, ...]
    strangers: _Texts

    def members(self, groups: Sequence[str]) -> NDArray[np.int64]:
        """List the examples of some groups."""
        return np.flatnonzero([group in groups for group in self.groups])


def _learn(
    examples: Examples, rows: dict[str, Rows], lesson: _Lesson, progress: Progress
) -> tuple[dict[str, Profile], dict[str, Floats], float]:
    heads = {name: head for name, head in HEADS.items() if all(view in examples.views for view in head.mixture)}
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
    for name in (SURFACE_ONLY, FULL) if "encoder" in coefficients else (SURFACE_ONLY,):
        used = {head: heads[head] for head in coefficients if name == FULL or ENCODER_VIEW not in heads[head].mixture}
        scored = {head: judged.within[head] for head in used}
        fusion = learn_fusion(scored, lesson.labels, lesson.groups)
        near = ENCODER_VIEW if name == FULL else "char"
        by_fold, by_intent = comparison.nearest(near, lesson)
        inside = Seen(fusion.join(scored, lesson.groups), by_fold)
        orphans = Seen(fusion.join(judged.without, lesson.groups), by_intent)
        outside = _judge_outside(lesson, examples, Profile(used, fusion, NO_THRESHOLDS), coefficients, near)
        profiles[name] = Profile(used, fusion, learn_thresholds(inside, lesson.labels, orphans, outside))
    progress("learning", 1.0)
    return profiles, coefficients, float((inside.log_odds.argmax(axis=1) == lesson.labels).mean())


def _judge_outside(
    lesson: _Lesson, examples: Examples, profile: Profile, coefficients: dict[str, Floats], near: str
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

    def nearest(self, view: str, lesson: _Lesson) -> tuple[Floats, Floats]:
        """Give each example's nearest cosine, first outside of its fold, then outside of its intent."""
        by_fold, by_intent = np.zeros((2, len(lesson.labels)), np.float32)
        for groups in (GROUPS,) if view == ENCODER_VIEW else (CHINESE, LATIN):
            members = lesson.members(groups)
            if len(members):
                cosines = self.cosines(view, members)
                by_fold[members] = nearest_elsewhere(cosines, lesson.folds[members])
                by_intent[members] = nearest_elsewhere(cosines, lesson.labels[members])
        return by_fold, by_intent


def _twins(words: Sequence[str]) -> NDArray[np.int64]:
    """Number the examples so that those equal but for digits, spaces and marks share a number."""
    numbers: dict[str, int] = {}
    bare = ["".join(char for char in text if char.isalpha()) or text for text in words]
    return np.array([numbers.setdefault(text, len(numbers)) for text in bare], np.int64)


def is_current(source: Path, model_dir: Path) -> bool:
    """Tell, by hashes alone, whether the model fits the data, the code and the encoder."""
    try:
        manifest = models.read_manifest(models.current_folder(model_dir))
        models.check_stamp(manifest, models.stamp_now(hash_data(source)))
    except ModelRefused:
        return False
    return True


def load(model_dir: Path, source: Path, clock: Clock, shapes: Shapes | None = None) -> EmbeddedRecogniser:
    """Load the current model; ModelRefused when it does not fit the data, the code or the encoder."""
    model = models.load(model_dir, models.stamp_now(hash_data(source)))
    return EmbeddedRecogniser(model, load_encoder(), clock, shapes or Shapes())
