"""Find the knowledge entries nearest to a question, in either language.

Nearness is the cosine of meaning plus 0.3 times the cosine of characters. Characters are weighed by their rarity in the
training data, so that an entry's rows do not depend on the other entries: adding one changes nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date

import numpy as np

from bot.domain.knowledge import KnowledgeEntry
from bot.domain.understanding import Language
from intents.encoder import Encoder, Vectors
from intents.features import Floats, Ints, Vocabulary, char_features, count
from intents.kernels import Examples
from intents.numbers import compile_shapes
from intents.reading import read
from intents.shapes import Shapes
from intents.training import main_directions

SURFACE_WEIGHT = 0.3
VIEW = "char"
_BUCKETS = 1 << 18
_SHAPES = compile_shapes(Shapes())
_A_DAY = date(2024, 1, 1)
_ROWS_READ_WHOLE = 4_000
"""Beyond this many rows, meaning is compared in fewer directions first, and in all of them only for the best."""
_FEW_DIRECTIONS = 128
_SHORT_LIST = 256
_MOST_QUESTIONS = 200


@dataclass(frozen=True, slots=True)
class Found:
    """An entry's topic, how near it is, and whether the question and what it matched are of different languages."""

    topic: str
    score: float
    across: bool = False


class Rarity:
    """How much each character n-gram says: its rarity in the training data; the unknown are the rarest."""

    def __init__(self, vocabulary: Vocabulary | None = None) -> None:
        """Learn from the character view of a trained model, or let all weigh the same."""
        self._weights = np.ones(_BUCKETS, np.float32)
        if vocabulary is not None and len(vocabulary.features):
            self._weights *= vocabulary.weights.max()
            buckets = [_bucket(feature) for feature in vocabulary.features]
            np.minimum.at(self._weights, buckets, vocabulary.weights)

    def row(self, words: str) -> tuple[Ints, Floats]:
        """Weigh a text's n-grams: buckets, and values of length 1 (both empty when it has none)."""
        counts: dict[int, int] = {}
        for feature in char_features(words):
            bucket = _bucket(feature)
            counts[bucket] = counts.get(bucket, 0) + 1
        buckets = np.fromiter(counts.keys(), np.int32, len(counts))
        values = (1 + np.log(np.fromiter(counts.values(), np.float32, len(counts)))) * self._weights[buckets]
        length = float(np.sqrt(values @ values))
        return buckets, values / length if length else values


def _bucket(feature: str) -> int:
    return zlib.crc32(feature.encode("utf-8", "replace")) & (_BUCKETS - 1)


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the search sees it; ``vector`` is None without an encoder."""

    words: str
    chinese: bool
    buckets: Ints
    values: Floats
    vector: Vectors | None


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """An entry with everything the search needs of it, row by row: its titles and questions."""

    entry: KnowledgeEntry
    rows: tuple[Question, ...]


class Reader:
    """Reads questions and entries."""

    def __init__(self, rarity: Rarity, encoder: Encoder | None) -> None:
        """Take the weights of characters and, when there is one, the encoder."""
        self._rarity = rarity
        self.encoder = encoder

    def question(self, text: str) -> Question:
        """Read one question."""
        words, chinese = plain_words(text)
        return self.shaped(words, chinese, self.encoder.encode([words])[0] if self.encoder and words else None)

    def shaped(self, words: str, chinese: bool, vector: Vectors | None) -> Question:
        """Shape bare words that are encoded already."""
        return Question(words, chinese, *self._rarity.row(words), vector)

    def words_of(self, entries: Sequence[KnowledgeEntry]) -> set[str]:
        """Collect the bare words entries are found by."""
        return {plain_words(line)[0] for entry in entries for line in lines_of(entry)}

    def entries(self, entries: Sequence[KnowledgeEntry], known: Mapping[str, Vectors] | None = None) -> list[ReadEntry]:
        """Read entries, all encoded together but for words whose vectors are ``known``."""
        read_words = [[plain_words(line) for line in lines_of(entry)] for entry in entries]
        vectors = dict(known or {})
        if self.encoder is not None:
            wanted = list({words: None for each in read_words for words, _ in each if words and words not in vectors})
            vectors |= dict(zip(wanted, self.encoder.encode(wanted), strict=True))
        return [
            ReadEntry(
                entry,
                tuple(self.shaped(words, chinese, vectors.get(words)) for words, chinese in each if words),
            )
            for entry, each in zip(entries, read_words, strict=True)
        ]


def lines_of(entry: KnowledgeEntry) -> list[str]:
    """List what an entry is found by: its titles and questions."""
    lines = [*entry.titles.values(), *(question for asked in entry.questions.values() for question in asked)]
    return [line for line in dict.fromkeys(lines) if line.strip()][:_MOST_QUESTIONS]


def plain_words(text: str) -> tuple[str, bool]:
    """Read a text: its bare words as all views see them, and whether they are Chinese."""
    reading = read(text, _SHAPES, _A_DAY)
    return reading.words, reading.language is not Language.EN


class KnowledgeSearch:
    """Entries by the meaning and wording of their titles and questions; built once, asked often."""

    def __init__(self, entries: Sequence[ReadEntry]) -> None:
        """Lay out the entries' rows."""
        kept = [one for one in entries if one.rows]
        rows = [row for one in kept for row in one.rows]
        self._topics = tuple(one.entry.topic for one in kept)
        self._starts = np.cumsum([0, *(len(one.rows) for one in kept)])[:-1]
        self._chinese = np.array([row.chinese for row in rows], bool)
        self._by_words = {_letters(row.words): one.entry.topic for one in reversed(kept) for row in one.rows}
        self._surface = _Postings(rows)
        encoded = [row.vector for row in rows if row.vector is not None]
        whole = len(encoded) == len(rows) > 0
        self._vectors = np.stack(encoded) if whole else None
        self._directions: Vectors | None = None
        self._few: Vectors | None = None
        if self._vectors is not None and len(rows) > _ROWS_READ_WHOLE:
            self._directions = np.ascontiguousarray(main_directions(self._vectors)[:, :_FEW_DIRECTIONS])
            self._few = self._vectors @ self._directions

    def __len__(self) -> int:
        return len(self._topics)

    def same_words(self, question: Question) -> str:
        """Name the topic that has exactly these words (whatever their marks) as a title or question, or ``""``."""
        letters = _letters(question.words)
        return self._by_words.get(letters, "") if letters else ""

    def nearest(self, question: Question, most: int = 3) -> tuple[Found, ...]:
        """Find the nearest entries, best first."""
        if not self._topics or not question.words:
            return ()
        scores = self._scores(question)
        by_entry = np.maximum.reduceat(scores, self._starts)
        most = min(most, len(by_entry))
        best = np.argpartition(-by_entry, most - 1)[:most]
        return tuple(self._found(index, scores, question) for index in best[np.argsort(-by_entry[best], kind="stable")])

    def _scores(self, question: Question) -> Floats:
        scores = SURFACE_WEIGHT * self._surface.cosines(question)
        if self._vectors is None or question.vector is None:
            return scores
        if self._few is None or self._directions is None:
            return np.asarray(scores + self._vectors @ question.vector, np.float32)
        roughly = scores + self._few @ (question.vector @ self._directions)
        near = np.argpartition(-roughly, _SHORT_LIST)[:_SHORT_LIST]
        found = np.full(len(scores), -1.0, np.float32)
        found[near] = scores[near] + self._vectors[near] @ question.vector
        return found

    def _found(self, index: int, scores: Floats, question: Question) -> Found:
        end = self._starts[index + 1] if index + 1 < len(self._starts) else len(scores)
        row = int(self._starts[index]) + int(scores[self._starts[index] : end].argmax())
        across = bool(self._chinese[row]) is not question.chinese
        return Found(self._topics[index], round(float(scores[row]), 4), across)


def _letters(words: str) -> str:
    return "".join(char for char in words if char.isalnum())


class _Postings:
    """Rows turned round: for each bucket, who has it."""

    def __init__(self, rows: Sequence[Question]) -> None:
        lengths = [len(row.buckets) for row in rows]
        buckets = np.concatenate([row.buckets for row in rows]) if rows else np.zeros(0, np.int32)
        owners = np.repeat(np.arange(len(rows), dtype=np.int32), lengths)
        order = np.argsort(buckets, kind="stable")
        self._size = len(rows)
        self._starts = np.zeros(_BUCKETS + 1, np.int64)
        np.cumsum(np.bincount(buckets, minlength=_BUCKETS), out=self._starts[1:])
        self._owners = owners[order]
        values = np.concatenate([row.values for row in rows]) if rows else np.zeros(0, np.float32)
        self._values = values[order]

    def cosines(self, question: Question) -> Floats:
        first, last = self._starts[question.buckets], self._starts[question.buckets + 1]
        lengths = last - first
        total = int(lengths.sum())
        if not total:
            return np.zeros(self._size, np.float32)
        places = np.repeat(last - np.cumsum(lengths), lengths) + np.arange(total)
        weights = self._values[places] * np.repeat(question.values, lengths)
        return np.asarray(np.bincount(self._owners[places], weights, self._size), np.float32)


class TaughtTopics:
    """The training examples, asked in the same measure: how near is the nearest example of each intent."""

    def __init__(self, intents: Sequence[str], labels: Ints, examples: Examples) -> None:
        """Take the intents, each example's label (its place in ``intents``), and a model's examples."""
        self._examples = examples
        self._order = np.argsort(labels, kind="stable")
        ordered = labels[self._order]
        self._starts = np.flatnonzero(np.r_[True, np.diff(ordered) > 0])
        self.intents = tuple(intents[label] for label in ordered[self._starts])

    def nearest(self, question: Question) -> dict[str, float]:
        """Give the score of each intent's nearest example, by the intent's name."""
        return self.nearest_all([question])[0]

    def nearest_all(
        self, questions: Sequence[Question], but: AbstractSet[str] = frozenset(), rows: Sequence[Sequence[int]] = ()
    ) -> list[dict[str, float]]:
        """Do so for several questions at once.

        ``but`` are intents, and ``rows`` for each question the examples (by their place), that do not count.
        """
        if not questions:
            return []
        surface = self._examples.surfaces[VIEW]
        counted = count(VIEW, [question.words for question in questions])
        scores = SURFACE_WEIGHT * surface.postings.cosines(surface.vocabulary.rows(counted))
        vectors = [question.vector for question in questions if question.vector is not None]
        if len(vectors) == len(questions) and self._examples.vectors is not None:
            scores += self._examples.encoded_cosines(np.stack(vectors))
        for place, own in enumerate(rows):
            scores[place, list(own)] = 0
        best = np.maximum.reduceat(scores[:, self._order], self._starts, axis=1).tolist()
        return [{name: score for name, score in zip(self.intents, row, strict=True) if name not in but} for row in best]
