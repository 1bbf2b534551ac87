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
from intents.features import SURFACES, Floats, Postings, Vocabulary
from intents.fusion import group_of
from intents.kernels import ENCODER_VIEW, Examples, Surface
from intents.model import FULL, SURFACE_ONLY, Model, Profile
from intents.numbers import compile_shapes
from intents.reading import Reading, read
from intents.recogniser import EmbeddedRecogniser
from intents.shapes import Shapes
from intents.training import deal_folds, head_mixtures, judge, learn_fusion, learn_thresholds, nearest_elsewhere
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
    examples, cosines = _compare(words, vectors, progress)
    profiles, coefficients, accuracy = _learn(cosines, labels, len(intents), readings, progress)
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


def _compare(words: list[str], vectors: Floats | None, progress: Progress) -> tuple[Examples, dict[str, Floats]]:
    surfaces: dict[str, Surface] = {}
    cosines: dict[str, Floats] = {}
    for index, name in enumerate(SURFACES):
        progress("comparing", index / len(SURFACES))
        vocabulary = Vocabulary.learn(name, words, _RAREST[name])
        rows = vocabulary.rows(name, words)
        surfaces[name] = Surface(vocabulary, Postings.turn(rows, len(vocabulary.features)))
        cosines[name] = surfaces[name].postings.cosines(rows)
    if vectors is not None:
        cosines[ENCODER_VIEW] = vectors @ vectors.T
    progress("comparing", 1.0)
    return Examples(surfaces, vectors), cosines


def _learn(
    cosines: dict[str, Floats], labels: NDArray[np.int64], intents: int, readings: list[Reading], progress: Progress
) -> tuple[dict[str, Profile], dict[str, Floats], float]:
    groups = [group_of(reading.language, reading.script) for reading in readings]
    twins = _twins([reading.words for reading in readings])
    folds = deal_folds(labels, twins)
    profiles: dict[str, Profile] = {}
    coefficients: dict[str, Floats] = {}
    accuracy = 0.0
    surfaces = {view: cosine for view, cosine in cosines.items() if view != ENCODER_VIEW}
    for step, (name, views) in enumerate(((SURFACE_ONLY, surfaces), (FULL, cosines))):
        progress("learning", step / 2)
        if name == FULL and ENCODER_VIEW not in cosines:
            continue
        solved, judged = judge(views, labels, folds, intents, name)
        fusion = learn_fusion(judged.within, labels, groups)
        near = cosines[ENCODER_VIEW if name == FULL else "char"]
        nearest = nearest_elsewhere(near, folds), nearest_elsewhere(near, labels)
        thresholds = learn_thresholds(fusion, judged, labels, groups, nearest)
        profiles[name] = Profile(head_mixtures(name, tuple(views)), fusion, thresholds)
        coefficients |= solved
        right = fusion.probabilities(judged.within, groups).argmax(axis=1) == labels
        accuracy = float(right.mean())
    progress("learning", 1.0)
    return profiles, coefficients, accuracy


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
