"""Ridge regression by its inverse's root: the same as solving again without what is left out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from intents.ridge import RIDGE, inverse_root, judge, targets

SIZE = 1_200
INTENTS = 7


@pytest.fixture(name="likeness")
def _likeness() -> np.ndarray:
    vectors = np.random.default_rng(1).normal(size=(SIZE, 40)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.exp(1.5 * (vectors @ vectors.T - 1))


@pytest.fixture(name="labels")
def _labels() -> np.ndarray:
    return np.random.default_rng(2).integers(-1, INTENTS, SIZE)


def _solved_without(likeness: np.ndarray, wanted: np.ndarray, gone: np.ndarray) -> np.ndarray:
    kept = ~gone
    kernel = likeness[np.ix_(kept, kept)].astype(np.float64) + RIDGE * np.eye(int(kept.sum()))
    return likeness[np.ix_(gone, kept)] @ np.linalg.solve(kernel, wanted[kept])


def test_inverse_root_times_itself_is_the_inverse(likeness: np.ndarray) -> None:
    """Bands join into one lower triangle whose square is the inverse, on several threads as on one."""
    matrix = likeness + RIDGE * np.eye(SIZE, dtype=np.float32)
    one, several = matrix.copy(), matrix.copy()
    inverse_root(one)
    with ThreadPoolExecutor(3) as pool:
        inverse_root(several, pool.map)
    assert np.array_equal(one, several)
    assert not np.triu(one, 1).any()
    assert np.abs(one.T @ one @ matrix - np.eye(SIZE)).max() < 1e-3


def test_inverse_root_refuses_what_is_no_kernel() -> None:
    """A matrix that is not positive definite is named, not solved."""
    with pytest.raises(ValueError, match="not a kernel"):
        inverse_root(-np.eye(5, dtype=np.float32))


@pytest.mark.parametrize("order", ["dealt", "sorted"])
def test_judge_scores_as_if_the_own_fold_was_never_seen(likeness: np.ndarray, labels: np.ndarray, order: str) -> None:
    """Scores without the fold and without the intent are those of a regression solved anew, however folds stand."""
    folds = np.random.default_rng(3).integers(0, 5, SIZE)
    if order == "sorted":
        folds.sort()
    wanted = targets(labels, INTENTS)
    coefficients, within, without = judge(likeness.copy(), wanted, (folds, labels))
    kernel = likeness + RIDGE * np.eye(SIZE, dtype=np.float32)
    assert np.abs(kernel @ coefficients - wanted).max() < 1e-3
    assert np.abs(within[folds == 3] - _solved_without(likeness, wanted, folds == 3)).max() < 1e-3
    assert np.abs(without[labels == 4] - _solved_without(likeness, wanted, labels == 4)).max() < 1e-3


def test_targets_of_strangers_are_zeros() -> None:
    """A message without an intent speaks for none."""
    assert targets(np.array([1, -1, 0]), 2).tolist() == [[0, 1], [0, 0], [1, 0]]
