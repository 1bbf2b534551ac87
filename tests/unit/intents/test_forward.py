"""The encoder's arithmetic in its new order: the library's vectors, whatever the text, the batch and the memory."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from intents import encoder as encoders
from intents import forward
from intents.encoder import SentenceEncoder, Vectors

SHOPPERS = Path(__file__).parents[3] / "bench" / "data"
ODD = ("", " ", "\u3000", "a", "好", "😀😀", "سلام", "สวัสดี", "\u200b\u202e", "<script>", "1 2 3", "x" * 400, "很" * 300)


def texts() -> list[str]:
    """Give shoppers' messages of both languages and odd ones between them."""
    found: list[str] = []
    for name in ("shopper_zh.tsv", "shopper_en.tsv"):
        with (SHOPPERS / name).open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
        found += [row["text"] for row in rows[::12]]
    return [*found[:40], *ODD, *found[40:]]


@pytest.fixture(scope="module")
def encoder() -> SentenceEncoder:
    """Load the encoder."""
    return SentenceEncoder()


@pytest.fixture(scope="module")
def told(encoder: SentenceEncoder) -> Vectors:
    """Encode all texts by the library itself."""
    return np.asarray(encoder._model.encode([encoders._shorten(text) for text in texts()]))


def same(ours: Vectors, theirs: Vectors) -> bool:
    """Tell whether vectors are the same but for rounding."""
    return bool((np.einsum("ij,ij->i", ours, theirs) > 0.99999).all()) and np.allclose(
        np.linalg.norm(ours, axis=1), 1, atol=1e-5
    )


def test_vectors_are_the_librarys(encoder: SentenceEncoder, told: Vectors):
    """All together, one by one, and again from memory."""
    assert isinstance(encoder._forward, forward.Forward)
    assert same(encoder.encode(texts()), told)
    assert same(np.concatenate([encoder.encode([text]) for text in texts()]), told)
    assert same(encoder.encode(texts()[::-1])[::-1], told)


def test_forgetting_changes_nothing(monkeypatch: pytest.MonkeyPatch, told: Vectors):
    """With room for hardly more than one batch, while several threads ask at once."""
    monkeypatch.setattr(forward, "_REMEMBERED_PIECES", forward._MOST_PIECES)
    encoder = SentenceEncoder()
    wanted = texts()
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: encoder.encode(wanted), range(6)):
            assert same(found, told)


def test_text_of_any_length_is_cut(encoder: SentenceEncoder):
    """Whoever asks without shortening gets a vector of the beginning."""
    long = encoder._forward.encode(["好 " * 5000, "hello " * 5000])  # type: ignore[union-attr]
    assert np.allclose(np.linalg.norm(long, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("problem", [AttributeError("w1"), ValueError("shapes"), None])
def test_library_built_otherwise_encodes_itself(
    monkeypatch: pytest.MonkeyPatch, told: Vectors, problem: Exception | None
):
    """Its arrays have other names or shapes, or our sums come out differently: then it is asked as it is."""

    class Other:
        def __init__(self, *_: Any) -> None:
            if problem:
                raise problem

        def encode(self, texts: Any) -> Vectors:
            return np.full((len(texts), 512), 512**-0.5, np.float32)

    monkeypatch.setattr(encoders, "Forward", Other)
    encoder = SentenceEncoder()
    assert encoder._forward is None
    assert same(encoder.encode(texts()), told)
