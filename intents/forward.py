"""The sentence encoder's arithmetic, ordered for short messages whose words come again and again.

The weights and the cutting into pieces are the library's, and so are the vectors, but for rounding. What depends on a
piece alone (its embedding's projection and its share in the first convolution, two thirds of all the arithmetic) is
computed once and remembered; what is linear behind the second is done once a text instead of once a piece.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Pieces = NDArray[np.int64]

_WIDTH = 256
_BRANCHES = ((2, 0), (3, 1), (5, 2))
"""Of each convolution: how many pieces it sees, and how many of them stand before the one it is about."""
_BETWEEN = 2
"""Empty rows between texts, so that no window sees a neighbour."""
_AROUND = np.arange(-_BETWEEN, _BETWEEN + 1)
_REMEMBERED_PIECES = 3_072
_REMEMBERED_WORDS = 20_000
_A_WORD = 16
_MOST_PIECES = 384
"""Pieces computed at once: the working set stays in the processor's cache."""
_BEGIN, _END = 1, 2


class Forward:
    """Encodes texts as the library's network does; safe to use from several threads."""

    def __init__(self, network: Any, cut: Callable[[str], Sequence[int]]) -> None:
        """Take the library's ``network`` (its arrays by name) and what cuts a word into pieces.

        Raises AttributeError or ValueError when the network is built otherwise than this version knows.
        """
        self._table, self._scale, self._low = network.table, network.scale, network.lo
        self._projection, self._bias = network.proj_W, network.proj_b
        self._gain, self._shift, self._eps = network.ln_g_all, network.ln_b_all, np.float32(network.eps)
        self._first = [_by_place(weights, places) for weights, (places, _) in zip(network.w1, _BRANCHES, strict=True)]
        self._first_bias = np.concatenate(network.b1)
        self._second, self._second_bias = network.w2, np.concatenate(network.b2)
        self._d1, self._d2, self._p3, self._d3 = network.d1, network.d2, network.p3, network.d3
        heads = np.concatenate([network.d0, network.p1], axis=1)
        self._out = (network.ln_g[:, None] * network.cnn_W) @ heads
        self._out_bias = (network.ln_b @ network.cnn_W + network.cnn_b) @ heads
        self._half = network.d0.shape[1]
        self.dimensions = self._d3.shape[1]
        width = self._bias.size + _WIDTH * sum(places for places, _ in _BRANCHES)
        self._known = _Remembered(self._of_pieces, len(self._table), width)
        self._cut_anew, self._cut = cut, lru_cache(maxsize=_REMEMBERED_WORDS)(cut)

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts: shape (texts, dimensions), every row of length 1; only the first 382 pieces of one are read."""
        found = np.empty((len(texts), self.dimensions), np.float32)
        start = 0
        for group in self._groups(texts):
            found[start : start + len(group)] = self._encode(group)
            start += len(group)
        return found

    def _groups(self, texts: Sequence[str]) -> Iterator[list[list[int]]]:
        group: list[list[int]] = []
        pieces = 0
        for text in texts:
            cut = [_BEGIN, *self._pieces(text)[: _MOST_PIECES - 2], _END]
            if group and pieces + len(cut) > _MOST_PIECES:
                yield group
                group, pieces = [], 0
            group.append(cut)
            pieces += len(cut)
        if group:
            yield group

    def _pieces(self, text: str) -> list[int]:
        # No piece spans a blank, so words may be cut one by one; whole sentences come once and are not remembered.
        words = text.split() or [text]
        return [piece for word in words for piece in (self._cut if len(word) <= _A_WORD else self._cut_anew)(word)]

    def _of_pieces(self, pieces: Pieces) -> Vectors:
        """Compute what depends on a piece alone: its projection, then its share in every place of a window."""
        inner = self._embedded(pieces) @ self._projection
        inner += self._bias
        _normalise(inner, self._eps)
        inner *= self._gain
        inner += self._shift
        shares = [
            inner[:, branch * _WIDTH : (branch + 1) * _WIDTH] @ weights for branch, weights in enumerate(self._first)
        ]
        return np.concatenate([inner, *shares], axis=1)

    def _embedded(self, pieces: Pieces) -> Vectors:
        chunk = pieces % len(self._scale)
        found: Vectors = self._table[pieces].astype(np.float32)
        found *= self._scale[chunk, None]
        found += self._low[chunk, None]
        return found

    def _encode(self, group: Sequence[Sequence[int]]) -> Vectors:
        lengths = np.fromiter(map(len, group), np.int64, len(group))
        pieces = np.fromiter((piece for one in group for piece in one), np.int64, int(lengths.sum()))
        owners = np.repeat(np.arange(len(group)), lengths)
        places = np.arange(len(pieces)) + _BETWEEN * (owners + 1)
        spread = np.zeros((len(pieces) + _BETWEEN * (len(group) + 1), self._known.width), np.float32)
        spread[places] = self._known.get(pieces)
        inner = self._windows(spread, places)
        features = np.concatenate([self._embedded(pieces), inner], axis=1)
        trust = _normalise_apart(features, self._eps)
        owns = np.zeros((len(group), len(pieces)), np.float32)
        owns[owners, np.arange(len(pieces))] = trust
        return self._conclude(owns @ features, lengths)

    def _windows(self, spread: Vectors, places: Pieces) -> Vectors:
        """Run both convolutions of the three branches: (pieces, 3 x 256)."""
        width = len(_BRANCHES) * _WIDTH
        hidden = self._hidden(spread, places, width)
        found = np.empty((len(places), width), np.float32)
        around = places[:, None] + _AROUND
        for branch, (wide, before) in enumerate(_BRANCHES):
            own = slice(branch * _WIDTH, (branch + 1) * _WIDTH)
            begin = _BETWEEN - before
            seen = hidden[branch].take(around[:, begin : begin + wide], axis=0).reshape(len(places), -1)
            np.matmul(seen, self._second[branch], out=found[:, own])
        found += self._second_bias
        np.maximum(found, 0, out=found)
        for branch in range(len(_BRANCHES)):
            found[:, branch * _WIDTH : (branch + 1) * _WIDTH] += hidden[branch].take(places, axis=0)
        return found

    def _hidden(self, spread: Vectors, places: Pieces, width: int) -> Vectors:
        """Add up what the first convolution has from each piece of a window: (branch, row, 256), zero between texts."""
        size = len(spread)
        told = np.empty((size - 2 * _BETWEEN, width), np.float32)
        told[:] = self._first_bias
        column = width
        for branch, (wide, before) in enumerate(_BRANCHES):
            own = told[:, branch * _WIDTH : (branch + 1) * _WIDTH]
            for place in range(wide):
                begin = _BETWEEN - before + place
                own += spread[begin : begin + len(told), column : column + _WIDTH]
                column += _WIDTH
        np.maximum(told, 0, out=told)
        told += spread[_BETWEEN : size - _BETWEEN, :width]
        found = np.zeros((len(_BRANCHES), size, _WIDTH), np.float32)
        found[:, places] = told[places - _BETWEEN].reshape(len(places), len(_BRANCHES), _WIDTH).swapaxes(0, 1)
        return found

    def _conclude(self, sums: Vectors, lengths: Pieces) -> Vectors:
        sizes = lengths.astype(np.float32)[:, None]
        told = sums @ self._out
        told += sizes * self._out_bias
        told /= np.sqrt(sizes)
        first = np.maximum(told[:, : self._half], 0)
        second = np.maximum(told[:, self._half :] + first @ self._d1, 0)
        third = np.maximum(second @ self._d2, 0)
        found = np.tanh(second @ self._p3 + third @ self._d3)
        found /= np.sqrt(np.maximum(np.einsum("ij,ij->i", found, found), self._eps))[:, None]
        return np.asarray(found, np.float32)


class _Remembered:
    """Rows by piece, computed when first asked for; when there is no more room, all are forgotten."""

    def __init__(self, compute: Callable[[Pieces], Vectors], pieces: int, width: int) -> None:
        self.width = width
        self._compute, self._pieces = compute, pieces
        self._lock = threading.Lock()
        self._begin()

    def _begin(self) -> None:
        # Rows once written stay: whoever still reads the former ones goes on with them.
        rows, places = np.empty((_REMEMBERED_PIECES, self.width), np.float32), np.full(self._pieces, -1, np.int32)
        self._now, self._used = (rows, places), 0

    def get(self, pieces: Pieces) -> Vectors:
        """Give the rows of pieces, of at most as many kinds as are remembered: (pieces, width)."""
        while True:
            rows, places = self._now
            found = places[pieces]
            missing = np.unique(pieces[found < 0])
            if not len(missing):
                return rows[found]
            self._add(missing, self._compute(missing))

    def _add(self, pieces: Pieces, computed: Vectors) -> None:
        with self._lock:
            if self._used + len(pieces) > _REMEMBERED_PIECES:
                self._begin()
            rows, places = self._now
            end = self._used + len(pieces)
            rows[self._used : end] = computed
            places[pieces] = np.arange(self._used, end)
            self._used = end


def _by_place(weights: Vectors, places: int) -> Vectors:
    """Lay a convolution's weights (places x width, width) side by side: (width, places x width)."""
    return np.ascontiguousarray(np.concatenate(np.split(weights, places), axis=1))


def _normalise(rows: Vectors, eps: np.float32) -> None:
    rows *= _normalise_apart(rows, eps)[:, None]


def _normalise_apart(rows: Vectors, eps: np.float32) -> Vectors:
    """Take each row's mean from it, in place, and give what it has to be multiplied with."""
    rows -= rows.mean(axis=1, keepdims=True)
    spread = np.einsum("ij,ij->i", rows, rows) / np.float32(rows.shape[1])
    return np.asarray(1 / np.sqrt(spread + eps), np.float32)
