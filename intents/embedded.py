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
from intents.features import SURFACES, Floats, Postings, Rows, Vocabulary
from intents.fusion import group_of
from intents.kernels import ENCODER_VIEW, HEADS, Examples, Head, Surface, mix
from intents.model import FULL, SURFACE_ONLY, Model, Profile
from intents.numbers import compile_shapes
from intents.reading import read
from intents.recogniser import EmbeddedRecogniser
from intents.shapes import Shapes
from intents.training import Judged, deal_folds, judge, learn_fusion, learn_thresholds, nearest_elsewhere
from intents.training_data import Example, hash_data, read_examples

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
    shapes = compile_shapes(Shapes())
    readings = [read(example.text, shapes, _A_DAY) for example in data]
    words = [reading.words for reading in readings]
    progress("reading", 1.0)
    vectors = EncodingCache(model_dir, encoder).encode(words, progress) if encoder else None
    examples, rows = _views(words, vectors)
    groups = tuple(group_of(reading.language, reading.script) for reading in readings)
    lesson = _Lesson(labels, deal_folds(labels, _twins(words)), groups)
    profiles, coefficients, accuracy = _learn(examples, rows, lesson, progress)
    progress("saving", 0.0)
    models.save(Model(stamp, intents, examples, coefficients, profiles), model_dir)
    progress("saving", 1.0)
    engine = FULL if FULL in profiles else SURFACE_ONLY
    return TrainingReport(len(data), len(intents), time.perf_counter() - started, accuracy, engine)


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
        vocabulary = Vocabulary.learn(name, words, _RAREST[name])
        rows[name] = vocabulary.rows(name, words)
        surfaces[name] = Surface(vocabulary, Postings.turn(rows[name], len(vocabulary.features)))
    return Examples(surfaces, vectors), rows


@dataclass(frozen=True, slots=True)
class _Lesson:
    """The examples as numbers: label, fold and group of each."""

    labels: NDArray[np.int64]
    folds: NDArray[np.int64]
    groups: tuple[str, ...]


def _learn(
    examples: Examples, rows: dict[str, Rows], lesson: _Lesson, progress: Progress
) -> tuple[dict[str, Profile], dict[str, Floats], float]:
    heads = {name: head for name, head in HEADS.items() if all(view in examples.views for view in head.mixture)}
    coefficients: dict[str, Floats] = {}
    judged = Judged({}, {})
    for step, (name, head) in enumerate(heads.items()):
        progress("learning", step / len(heads))
        members = np.flatnonzero([group in head.groups for group in lesson.groups])
        if len(members):
            likeness = _likeness(head, members, examples, rows)
            coefficients[name], within, without = judge(likeness, members, lesson.labels, lesson.folds)
            judged = Judged({**judged.within, name: within}, {**judged.without, name: without})
    nearest = _nearest(examples, rows, lesson)
    profiles = {}
    for name in (SURFACE_ONLY, FULL) if "encoder" in coefficients else (SURFACE_ONLY,):
        used = {head: heads[head] for head in coefficients if name == FULL or ENCODER_VIEW not in heads[head].mixture}
        seen = Judged({head: judged.within[head] for head in used}, {head: judged.without[head] for head in used})
        fusion = learn_fusion(seen.within, lesson.labels, lesson.groups)
        thresholds = learn_thresholds(fusion, seen, lesson.labels, lesson.groups, nearest[name])
        profiles[name] = Profile(used, fusion, thresholds)
        right = fusion.join(seen.within, lesson.groups).argmax(axis=1) == lesson.labels
    progress("learning", 1.0)
    return profiles, coefficients, float(right.mean())


def _cosines(view: str, members: NDArray[np.int64], examples: Examples, rows: dict[str, Rows]) -> Floats:
    if view == ENCODER_VIEW:
        vectors = examples.vectors[members] if examples.vectors is not None else np.zeros((len(members), 1), np.float32)
        return np.asarray(vectors @ vectors.T, np.float32)
    chosen = rows[view].take(members)
    return Postings.turn(chosen, len(examples.surfaces[view].vocabulary.features)).cosines(chosen)


def _likeness(head: Head, members: NDArray[np.int64], examples: Examples, rows: dict[str, Rows]) -> Floats:
    return mix({view: _cosines(view, members, examples, rows) for view in head.mixture}, head.mixture)


def _nearest(examples: Examples, rows: dict[str, Rows], lesson: _Lesson) -> dict[str, tuple[Floats, Floats]]:
    everyone = np.arange(len(lesson.labels))
    found = {}
    for name, view in ((SURFACE_ONLY, "char"), (FULL, ENCODER_VIEW)):
        if view in examples.views:
            cosines = _cosines(view, everyone, examples, rows)
            found[name] = nearest_elsewhere(cosines, lesson.folds), nearest_elsewhere(cosines, lesson.labels)
    return found


def _twins(words: list[str]) -> NDArray[np.int64]:
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
