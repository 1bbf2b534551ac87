"""Find the knowledge entries nearest to a question, in either language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from bot.domain.knowledge import KnowledgeEntry
from intents.encoder import Encoder
from intents.features import Postings, Vocabulary, count
from intents.kernels import ENCODER_VIEW, Examples, Surface
from intents.numbers import compile_shapes
from intents.reading import read
from intents.shapes import Shapes
from intents.training import main_directions

_SURFACE_WEIGHT = 0.3
_VIEW = "char"
_SHAPES = compile_shapes(Shapes())
_A_DAY = date(2024, 1, 1)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry's topic and how near it is: cosine of meaning plus 0.3 x cosine of characters."""

    topic: str
    score: float


class KnowledgeSearch:
    """Entries by the meaning of their titles and questions; built once, asked often."""

    def __init__(self, entries: Sequence[KnowledgeEntry], encoder: Encoder | None) -> None:
        """Read the entries; without an encoder characters alone decide."""
        self._encoder = encoder
        self._topics = tuple(entry.topic for entry in entries if _said(entry))
        texts = [_said(entry) for entry in entries if _said(entry)]
        self._starts = np.cumsum([0, *map(len, texts)])[:-1]
        words = [_words(text) for said in texts for text in said]
        counted = count(_VIEW, words)
        vocabulary = Vocabulary.learn(counted, 1)
        postings = Postings.turn(vocabulary.rows(counted), len(vocabulary.features))
        vectors = encoder.encode(words) if encoder and words else None
        projection = None if vectors is None else main_directions(vectors)
        projected = None if vectors is None or projection is None else vectors @ projection
        self._examples = Examples({_VIEW: Surface(vocabulary, postings)}, projected, projection)

    def nearest(self, text: str, most: int = 3) -> tuple[Found, ...]:
        """Find the nearest entries, best first."""
        words = _words(text)
        if not self._topics or not words:
            return ()
        cosines = self._examples.cosines([words], self._encoder)
        scores = _SURFACE_WEIGHT * cosines[_VIEW][0]
        if ENCODER_VIEW in cosines:
            scores = scores + cosines[ENCODER_VIEW][0]
        by_entry = np.maximum.reduceat(scores, self._starts)
        order = np.argsort(-by_entry)[:most]
        return tuple(Found(self._topics[index], round(float(by_entry[index]), 4)) for index in order)


def _said(entry: KnowledgeEntry) -> list[str]:
    lines = [*entry.titles.values(), *(question for asked in entry.questions.values() for question in asked)]
    return [line for line in lines if line.strip()]


def _words(text: str) -> str:
    return read(text, _SHAPES, _A_DAY).words
