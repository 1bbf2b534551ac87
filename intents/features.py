"""What the surface views see in a message: words, characters and sounds, weighted by rarity."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from intents.normalising import is_cjk
from intents.pinyin import is_pinyin, sound

Floats = NDArray[np.float32]
Ints = NDArray[np.int32]

_TOKEN = re.compile(r"[a-z0-9à-ɏ']+|[㐀-鿿]|[?!]")
_RUN = re.compile(r"[㐀-鿿]+|[a-z0-9à-ɏ']+")
_SOUND_RUN = re.compile(r"[a-z0-9]+")
_READ_CHARS = 600
"""Surface views read this much of a message."""


def word_features(text: str) -> Iterator[str]:
    """Give single words and pairs; every Han character is a word."""
    tokens = _TOKEN.findall(text[:_READ_CHARS])
    yield from tokens
    yield from (f"{first} {second}" for first, second in itertools.pairwise(tokens))


def char_features(text: str) -> Iterator[str]:
    """Give character n-grams: 1 to 4 of Han characters, 2 to 5 of Latin words with their borders."""
    for run in _RUN.findall(text[:_READ_CHARS]):
        if is_cjk(run[0]):
            yield from _ngrams(run, 1, 4)
        else:
            yield from _ngrams(f" {run} ", 2, 5)


def sound_features(text: str) -> Iterator[str]:
    """Give n-grams of the sound, 2 to 6 letters; nothing for text that is not Chinese in any spelling."""
    short = text[:_READ_CHARS]
    if any(map(is_cjk, short)) or is_pinyin(short):
        for run in _SOUND_RUN.findall(sound(short)):
            yield from _ngrams(run, 2, 6)


def _ngrams(run: str, shortest: int, longest: int) -> Iterator[str]:
    for size in range(shortest, longest + 1):
        for start in range(len(run) - size + 1):
            yield run[start : start + size]


SURFACES: dict[str, Callable[[str], Iterator[str]]] = {
    "word": word_features,
    "char": char_features,
    "sound": sound_features,
}
"""The surface views by name."""


def count(view: str, texts: Sequence[str]) -> list[Mapping[str, int]]:
    """Count the features of each text in a surface view."""
    return [Counter(SURFACES[view](text)) for text in texts]


@dataclass(frozen=True, slots=True)
class Rows:
    """Sparse unit rows: row ``i`` has ``columns[starts[i]:starts[i+1]]`` with ``values`` there."""

    starts: NDArray[np.int64]
    columns: Ints
    values: Floats

    def take(self, members: NDArray[np.int64]) -> Rows:
        """Give some of the rows, in the order asked for."""
        lengths = np.diff(self.starts)[members]
        starts = np.zeros(len(members) + 1, np.int64)
        np.cumsum(lengths, out=starts[1:])
        places = np.repeat(self.starts[members] - starts[:-1], lengths) + np.arange(starts[-1])
        return Rows(starts, self.columns[places], self.values[places])

    def times(self, matrix: Floats, wanted: Sequence[bool]) -> Floats:
        """Multiply the ``wanted`` rows with a matrix (columns, any): (rows, any), zeros for the others."""
        found = np.zeros((len(self.starts) - 1, matrix.shape[1]), np.float32)
        for row in np.flatnonzero(wanted):
            span = slice(self.starts[row], self.starts[row + 1])
            found[row] = self.values[span] @ matrix[self.columns[span]].astype(np.float32)
        return found


class Vocabulary:
    """Features of a view with their weights (inverse document frequency)."""

    def __init__(self, features: Sequence[str], weights: Floats) -> None:
        """Keep features in the order of their columns."""
        self.features = tuple(features)
        self.weights = weights
        self._columns = {feature: column for column, feature in enumerate(self.features)}

    @classmethod
    def learn(cls, counted: Sequence[Mapping[str, int]], rarest: int) -> Vocabulary:
        """Collect from counted texts (see ``count``) the features that ``rarest`` or more of them have."""
        having: Counter[str] = Counter()
        for text in counted:
            having.update(text.keys())
        kept = sorted(feature for feature, count in having.items() if count >= rarest)
        frequency = np.array([having[feature] for feature in kept], np.float32)
        weights = np.log((1 + len(counted)) / (1 + frequency)) + 1
        return cls(kept, weights.astype(np.float32))

    def frequencies(self, texts: int) -> dict[str, int]:
        """Tell again how many of the ``texts`` it was learned from have each feature."""
        having = np.rint((1 + texts) / np.exp(self.weights.astype(np.float64) - 1) - 1).astype(int)
        return dict(zip(self.features, having.tolist(), strict=True))

    def rows(self, counted: Sequence[Mapping[str, int]]) -> Rows:
        """Weigh counted texts: sublinear counts times rarity, length 1; a text without features is an empty row."""
        known = self._columns
        starts, columns, counts = [0], [], []
        for text in counted:
            for feature, times in text.items():
                column = known.get(feature)
                if column is not None:
                    columns.append(column)
                    counts.append(times)
            starts.append(len(columns))
        places = np.array(columns, np.int32)
        values = (1 + np.log(np.array(counts, np.float32))) * self.weights[places]
        owners = np.repeat(np.arange(len(counted)), np.diff(starts))
        values /= np.sqrt(np.bincount(owners, values * values, len(counted)))[owners]
        return Rows(np.array(starts, np.int64), places, values)


class Postings:
    """The training rows of a surface view turned round: for each feature, who has it."""

    def __init__(self, starts: NDArray[np.int64], rows: Ints, values: Floats, size: int) -> None:
        """Keep the columns; ``size`` is the number of training rows."""
        self.starts, self.rows, self.values, self.size = starts, rows, values, size

    @classmethod
    def turn(cls, rows: Rows, columns: int) -> Postings:
        """Turn training rows into postings."""
        size = len(rows.starts) - 1
        owners = np.repeat(np.arange(size, dtype=np.int32), np.diff(rows.starts))
        order = np.argsort(rows.columns, kind="stable")
        starts = np.zeros(columns + 1, np.int64)
        np.cumsum(np.bincount(rows.columns, minlength=columns), out=starts[1:])
        return cls(starts, owners[order], rows.values[order], size)

    def cosines(self, rows: Rows) -> Floats:
        """Compare query rows with all training rows: shape (queries, training rows)."""
        found = np.zeros((len(rows.starts) - 1, self.size), np.float32)
        for query in range(len(found)):
            span = slice(rows.starts[query], rows.starts[query + 1])
            columns = rows.columns[span]
            first, last = self.starts[columns], self.starts[columns + 1]
            lengths = last - first
            total = int(lengths.sum())
            if total:
                offsets = np.repeat(last - np.cumsum(lengths), lengths) + np.arange(total)
                weights = self.values[offsets] * np.repeat(rows.values[span], lengths)
                found[query] = np.bincount(self.rows[offsets], weights, self.size)
        return found
