"""Ridge regression on the examples' likeness, and what it would say of examples it had not seen.

The work is cut into tiles, so that a few threads share the cores: numpy lets others run while it multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intents.arithmetic import Spread, cut
from intents.features import Floats

RIDGE = 0.1
_TILE = 1000


def targets(labels: NDArray[np.int64], intents: int) -> Floats:
    """Write labels as rows of zeros with a one; messages without an intent (-1) as zeros."""
    rows = np.zeros((len(labels), intents), np.float32)
    taught = np.flatnonzero(labels >= 0)
    rows[taught, labels[taught]] = 1
    return rows


def invert(matrix: Floats, spread: Spread = map) -> None:
    """Invert a symmetric positive definite matrix in place, tile by tile; afterwards only the lower half is right.

    ValueError when it is not positive definite.
    """
    spans = cut(len(matrix), _TILE)
    for place, pivot in enumerate(spans):
        _sweep(matrix, pivot, [*spans[:place], *spans[place + 1 :]], spread)
    np.negative(matrix, out=matrix)


def _sweep(matrix: Floats, pivot: slice, others: Sequence[slice], spread: Spread) -> None:
    """Sweep a tile out of the matrix (Gauss and Jordan): once all are, the negative inverse is left."""
    block = _inverse(matrix[pivot, pivot])

    def scale(span: slice) -> tuple[Floats, Floats]:
        below = span.start > pivot.start
        beside = matrix[span, pivot].copy() if below else matrix[pivot, span].T.copy()
        scaled = beside @ block
        if below:
            matrix[span, pivot] = scaled
        else:
            matrix[pivot, span] = scaled.T
        return beside, scaled

    tiles = list(spread(scale, others))

    def update(pair: tuple[int, int]) -> None:
        row, column = pair
        matrix[others[row], others[column]] -= tiles[row][1] @ tiles[column][0].T

    list(spread(update, [(row, column) for row in range(len(others)) for column in range(row + 1)]))
    matrix[pivot, pivot] = -block


def _inverse(block: Floats) -> Floats:
    from scipy.linalg.lapack import spotrf, spotri  # noqa: PLC0415 (training only: serving never loads it)

    factor, info = spotrf(block, lower=1)
    if info:
        raise ValueError(f"the likeness of the examples is not a kernel (LAPACK says {info})")
    lower = np.tril(spotri(factor, lower=1)[0])
    return np.ascontiguousarray(lower + np.tril(lower, -1).T)


def multiply(lower: Floats, right: Floats) -> Floats:
    """Multiply a symmetric matrix, of which only the lower half is right, with another."""
    product = np.zeros_like(right)
    spans = cut(len(lower), _TILE)
    for place, row in enumerate(spans):
        for column in spans[:place]:
            product[row] += lower[row, column] @ right[column]
            product[column] += lower[row, column].T @ right[row]
        product[row] += lower[row, row] @ right[row]
    return product


def leave_out(
    inverse: Floats, coefficients: Floats, wanted: Floats, parts: Sequence[NDArray[np.int64]], spread: Spread = map
) -> Floats:
    """Score each part's examples by the regression that has not seen the part, without solving again.

    Only the lower half of ``inverse`` is read; ``parts`` list examples in rising order. The rest is zero.
    """
    scores = np.zeros_like(wanted)

    def score(rows: NDArray[np.int64]) -> None:
        lower = np.tril(inverse[np.ix_(rows, rows)])
        block = lower + np.tril(lower, -1).T
        scores[rows] = wanted[rows] - np.linalg.solve(block, coefficients[rows])

    list(spread(score, parts))
    return scores


def parts_of(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """List the members of each group, largest first; those numbered below zero are in none."""
    parts = [np.flatnonzero(groups == group) for group in np.unique(groups[groups >= 0])]
    return sorted(parts, key=len, reverse=True)


def judge(
    likeness: Floats, wanted: Floats, labels: NDArray[np.int64], folds: NDArray[np.int64], spread: Spread = map
) -> tuple[Floats, Floats, Floats]:
    """Solve a head on the messages it speaks for: coefficients, scores without the own fold, without the own intent.

    Messages without an intent (-1) take part with zeros: what is like them speaks for no intent. ``likeness`` is
    (messages, messages) and is overwritten; ``wanted`` (see ``targets``) and the answers are (messages, intents).
    """
    likeness[np.diag_indices(len(likeness))] += RIDGE
    invert(likeness, spread)
    coefficients = multiply(likeness, wanted)
    within, without = (
        leave_out(likeness, coefficients, wanted, parts_of(groups), spread) for groups in (folds, labels)
    )
    return coefficients, within, without
