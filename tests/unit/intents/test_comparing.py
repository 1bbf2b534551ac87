"""Comparing the examples with each other: the same as comparing them one by one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from intents.arithmetic import cut, shared_cores
from intents.comparing import cosines_of_rows, cosines_of_vectors, nearest_elsewhere
from intents.features import Postings, Vocabulary, count

TEXTS = [
    f"{what} {order} {'' if order % 7 else 'now please'}" for what in ("return", "track my") for order in range(400)
]


def test_cosines_of_rows_are_those_of_the_postings() -> None:
    """Usual and rare features together give what serving computes message by message; an empty row is like nothing."""
    counted = count("char", [*TEXTS, ""])
    vocabulary = Vocabulary.learn(counted, 1)
    rows = vocabulary.rows(counted)
    columns = len(vocabulary.features)
    with shared_cores() as spread:
        found = cosines_of_rows(rows, columns, spread)
    assert np.abs(found - Postings.turn(rows, columns).cosines(rows)).max() < 1e-5
    assert not found[-1].any()


def test_cosines_of_vectors_are_products() -> None:
    """Cut into parts they are what one product gives."""
    vectors = np.random.default_rng(1).normal(size=(1_300, 8)).astype(np.float32)
    with ThreadPoolExecutor(2) as pool:
        assert np.allclose(cosines_of_vectors(vectors, pool.map), vectors @ vectors.T, atol=1e-5)


def test_nearest_elsewhere_looks_at_taught_messages_of_other_groups_only() -> None:
    """Neither the own group nor a stranger counts."""
    cosines = np.array([[1, 0.9, 0.8, 0.2], [0.9, 1, 0.7, 0.3], [0.8, 0.7, 1, 0.6], [0.2, 0.3, 0.6, 1]], np.float32)
    found = nearest_elsewhere(cosines, np.array([0, 0, 1, 1]), np.array([True, True, False, True]))
    assert np.allclose(found, [0.2, 0.3, 0.8, 0.3])


def test_cut_covers_everything_once() -> None:
    """Parts follow each other, none is too large, and nothing gives none."""
    for size in (0, 1, 499, 500, 501, 7_602):
        parts = cut(size, 500)
        assert [row for part in parts for row in range(part.start, part.stop)] == list(range(size))
        assert all(0 < part.stop - part.start <= 500 for part in parts)
