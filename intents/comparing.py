"""Compare the examples with each other, view by view, on every core."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from intents.arithmetic import Spread, cut
from intents.features import Floats, Rows
from intents.kernels import Head, likeness_of

_AT_ONCE = 500
_USUAL = 0.04
"""Features that more than this share of the rows have are compared by a product of full matrices, which is faster."""


def cosines_of_rows(rows: Rows, columns: int, spread: Spread = map) -> Floats:
    """Compare sparse unit rows, which have so many columns, with each other: (rows, rows)."""
    from scipy.sparse import csr_array  # noqa: PLC0415 (training only: serving never loads it)

    size = len(rows.starts) - 1
    having = np.bincount(rows.columns, minlength=columns)
    usual = np.flatnonzero(having > max(_USUAL * size, 1))
    owners = np.repeat(np.arange(size), np.diff(rows.starts))
    is_usual = np.isin(rows.columns, usual)
    full = np.zeros((size, len(usual)), np.float32)
    full[owners[is_usual], np.searchsorted(usual, rows.columns[is_usual])] = rows.values[is_usual]
    rest = (rows.values[~is_usual], (owners[~is_usual], rows.columns[~is_usual]))
    sparse = csr_array(rest, shape=(size, columns))
    turned = sparse.T.tocsr()
    found = np.empty((size, size), np.float32)

    def compare(part: slice) -> None:
        np.matmul(full[part], full.T, out=found[part])
        found[part] += (sparse[part] @ turned).toarray()

    list(spread(compare, cut(size, _AT_ONCE)))
    return found


def cosines_of_vectors(vectors: Floats, spread: Spread = map) -> Floats:
    """Compare unit vectors with each other: (vectors, vectors)."""
    found = np.empty((len(vectors), len(vectors)), np.float32)
    list(spread(lambda part: np.matmul(vectors[part], vectors.T, out=found[part]), cut(len(vectors), _AT_ONCE)))
    return found


def likeness_of_head(head: Head, cosines: Mapping[str, Floats], spread: Spread = map) -> Floats:
    """Mix the views of a head from their cosines: (examples, examples), an array of its own."""
    size = len(cosines[next(iter(head.mixture))])
    found = np.zeros((size, size), np.float32)

    def fill(part: slice) -> None:
        for view, weight in head.mixture.items():
            likeness = likeness_of(view, cosines[view][part])
            likeness *= weight
            found[part] += likeness

    list(spread(fill, cut(size, _AT_ONCE)))
    return found


def nearest_elsewhere(
    cosines: Floats, groups: NDArray[np.int64], taught: NDArray[np.bool_], spread: Spread = map
) -> Floats:
    """Give each message's highest cosine to an example of another group; only ``taught`` ones are examples."""
    found = np.zeros(len(cosines), np.float32)

    def look(group: int) -> None:
        rows = np.flatnonzero(groups == group)
        others = np.flatnonzero((groups != group) & taught)
        if len(others):
            for part in cut(len(rows), _AT_ONCE):
                found[rows[part]] = cosines[np.ix_(rows[part], others)].max(axis=1)

    list(spread(look, np.unique(groups).tolist()))
    return found
