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
from bot.domain.understanding import FAQ_PREFIX, Language
from intents import model as models
from intents.encoder import Encoder, Vectors, knower, load_encoder
from intents.encodings import EncodingCache
from intents.fusion import PINYIN, group_of
from intents.lesson import NO_INTENT, Lesson, Texts, compare, learn
from intents.model import FULL, SURFACE_ONLY, Model
from intents.nearness import Lesson as NearnessLesson
from intents.nearness import Nearness, learn_nearness
from intents.numbers import compile_shapes
from intents.reading import read
from intents.recogniser import EmbeddedRecogniser
from intents.retrieval import VIEW, Rarity, Reader, TaughtTopics
from intents.shapes import Shapes
from intents.spelling import Speller
from intents.training import deal_folds
from intents.training_data import Example, hash_data, read_examples, read_knowledge, read_outside

Progress = Callable[[str, float], None]
Plain = tuple[str, bool]
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
    outside = read_outside(source)
    plain, texts = _read((*(example.text for example in data), *outside), model_dir, encoder, progress)
    examples, rows = compare(texts, len(data))
    all_labels = np.append(labels, np.full(len(outside), NO_INTENT))
    lesson = Lesson(all_labels, deal_folds(all_labels, _twins(texts.words)), texts.groups)
    profiles, learned, accuracy = learn(examples, rows, lesson, progress)
    taught = TaughtTopics(intents, labels.astype(np.int32), examples)
    reader = Reader(Rarity(examples.surfaces[VIEW].vocabulary), encoder)
    nearness = _nearness(source, (plain, texts.vectors), taught, reader)
    progress("saving", 0.0)
    model = Model(stamp, intents, examples, learned, profiles, labels.astype(np.int32), nearness)
    models.save(model, model_dir)
    progress("saving", 1.0)
    engine = FULL if FULL in profiles else SURFACE_ONLY
    return TrainingReport(len(data), len(intents), time.perf_counter() - started, accuracy, engine)


def _read(
    messages: Sequence[str], model_dir: Path, encoder: Encoder | None, progress: Progress
) -> tuple[tuple[Plain, ...], Texts]:
    """Give messages' bare words as they are written, whether they are Chinese, and messages as the views see them."""
    shapes = compile_shapes(Shapes())
    readings = [read(text, shapes, _A_DAY) for text in messages]
    progress("reading", 1.0)
    groups = tuple(group_of(reading.language, reading.script) for reading in readings)
    speller = Speller.learn((reading.words for reading in readings), knower(encoder))
    words = tuple(
        reading.words if group == PINYIN else speller.mend(reading.words)
        for reading, group in zip(readings, groups, strict=True)
    )
    vectors = EncodingCache(model_dir, encoder).encode(words, progress) if encoder else None
    plain = tuple((reading.words, reading.language is not Language.EN) for reading in readings)
    return plain, Texts(words, groups, vectors)


def _nearness(
    source: Path, encoded: tuple[Sequence[Plain], Vectors | None], taught: TaughtTopics, reader: Reader
) -> Nearness:
    plain, encodings = encoded
    data, outside = read_examples(source), read_outside(source)
    words = tuple(words for words, _ in plain)
    vectors = {} if encodings is None else dict(zip(words, encodings, strict=True))
    known = dict(zip((*(example.text for example in data), *outside), plain, strict=True))
    strangers = (*(example.text for example in data if not example.intent.startswith(FAQ_PREFIX)), *outside)
    lesson = NearnessLesson(read_knowledge(source), strangers, words[: len(data)], taught, vectors, known)
    return learn_nearness(lesson, reader)


def _labels(data: Sequence[Example]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    intents = tuple(sorted({example.intent for example in data}))
    if len(data) < _FEWEST_EXAMPLES or len(intents) < 2:  # noqa: PLR2004
        raise ConfigError(
            f"{len(data)} examples of {len(intents)} intents are too few to learn from; "
            f"write at least {_FEWEST_EXAMPLES} examples and two intents below nlu/ and faq/"
        )
    index = {intent: number for number, intent in enumerate(intents)}
    return np.array([index[example.intent] for example in data], np.int64), intents


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
    return load_with(model_dir, source, (clock, shapes or Shapes()), load_encoder())


def load_with(
    model_dir: Path, source: Path, about: tuple[Clock, Shapes], encoder: Encoder | None
) -> EmbeddedRecogniser:
    """Load the current model with an encoder that is loaded already, or without one (None)."""
    model = models.load(model_dir, models.stamp_now(hash_data(source)))
    return EmbeddedRecogniser(model, encoder, *about)
