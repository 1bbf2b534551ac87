"""Ridge regression on the examples' likeness, and what it would say of examples it had not seen.

The work is cut into pieces, so that a few threads share the cores: numpy lets others run while it multiplies.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from intents.arithmetic import Spread, cut
from intents.features import Floats

RIDGE = 0.1
_BAND = 500


def targets(labels: NDArray[np.int64], intents: int) -> Floats:
    """Write labels as rows of zeros with a one; messages without an intent (-1) as zeros."""
    rows = np.zeros((len(labels), intents), np.float32)
    taught = np.flatnonzero(labels >= 0)
    rows[taught, labels[taught]] = 1
    return rows


def inverse_root(matrix: Floats, spread: Spread = map) -> None:
    """Put the lower triangle W, for which W'W is the inverse, in place of a symmetric positive definite matrix.

    A band of rows at a time joins those that are done. ValueError when the matrix is not positive definite.
    """
    bands = cut(len(matrix), _BAND)
    for place, band in enumerate(bands):
        done = bands[:place]

        def reach(span: slice, band: slice = band) -> Floats:
            return matrix[band, : span.stop] @ matrix[span, : span.stop].T

        # The widest first, so that no thread is left with a long piece at the end.
        reached = list(spread(reach, reversed(done)))
        border = np.hstack([*reversed(reached), np.empty((band.stop - band.start, 0), np.float32)])
        corner = _root(matrix[band, band] - border @ border.T)

        def fill(span: slice, band: slice = band, border: Floats = border, corner: Floats = corner) -> None:
            matrix[band, span] = -corner @ (border[:, span.start :] @ matrix[span.start : band.start, span])

        list(spread(fill, done))
        matrix[band, band] = corner
        matrix[band, band.stop :] = 0


def _root(block: Floats) -> Floats:
    from scipy.linalg.lapack import spotrf, strtri  # noqa: PLC0415 (training only: serving never loads it)

    factor, info = spotrf(block, lower=1)
    if info:
        raise ValueError(f"the likeness of the examples is not a kernel (LAPACK says {info})")
    return np.ascontiguousarray(np.tril(strtri(factor, lower=1)[0]))


def leave_out(
    root: Floats, coefficients: Floats, wanted: Floats, parts: Sequence[NDArray[np.int64]], spread: Spread = map
) -> Floats:
    """Score each part's messages by the regression that has not seen the part, without solving again.

    ``root`` is the inverse's (see ``inverse_root``); ``parts`` list messages in rising order. The rest is zero.
    """
    from scipy.linalg.lapack import sposv  # noqa: PLC0415 (training only: serving never loads it)

    scores = np.zeros_like(wanted)

    def score(rows: NDArray[np.int64]) -> None:
        together = rows[-1] - rows[0] < len(rows)
        columns = root[rows[0] :, rows[0] : rows[-1] + 1] if together else root[rows[0] :, rows]
        scores[rows] = wanted[rows] - sposv(columns.T @ columns, coefficients[rows], lower=1)[1]

    list(spread(score, parts))
    return scores


def parts_of(groups: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """List the members of each group, largest first; those numbered below zero are in none."""
    parts = [np.flatnonzero(groups == group) for group in np.unique(groups[groups >= 0])]
    return sorted(parts, key=len, reverse=True)


def judge(
    likeness: Floats, wanted: Floats, groups: tuple[NDArray[np.int64], NDArray[np.int64]], spread: Spread = map
) -> tuple[Floats, Floats, Floats]:
    """Solve a head on the messages it speaks for: coefficients, scores without the own fold, without the own intent.

    Messages without an intent (-1) take part with zeros: what is like them speaks for no intent. ``likeness`` is
    (messages, messages) and is overwritten; ``wanted`` (see ``targets``) and the answers are (messages, intents);
    ``groups`` are each message's fold and intent. It is fastest where a fold's messages stand together.
    """
    likeness[np.diag_indices(len(likeness))] += RIDGE
    inverse_root(likeness, spread)
    coefficients = likeness.T @ (likeness @ wanted)
    within, without = (leave_out(likeness, coefficients, wanted, parts_of(group), spread) for group in groups)
    return coefficients, within, without
