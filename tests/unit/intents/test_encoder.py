"""Remembered encodings are those of the encoder, and no text is encoded twice in a row."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from intents.encoder import RememberingEncoder, Vectors


class Counting:
    """Encodes a text as its length, and counts."""

    name, dimensions = "counting", 1

    def __init__(self) -> None:
        self.seen: list[str] = []

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts."""
        self.seen += texts
        return np.array([[len(text)] for text in texts], np.float32)


def test_texts_are_encoded_once_and_come_back_in_their_order() -> None:
    """Known and unknown ones mixed, repeats, and none at all."""
    counting = Counting()
    encoder = RememberingEncoder(counting)
    assert encoder.encode(["a", "bb"]).tolist() == [[1], [2]]
    assert encoder.encode(["ccc", "a", "ccc", "bb"]).tolist() == [[3], [1], [3], [2]]
    assert counting.seen == ["a", "bb", "ccc"]
    assert encoder.encode([]).tolist() == []


def test_memory_is_bounded() -> None:
    """Old texts are forgotten; many at once pass through."""
    counting = Counting()
    encoder = RememberingEncoder(counting)
    for number in range(1000):
        encoder.encode([str(number)])
    assert encoder.encode([str(number) for number in range(2000)]).shape == (2000, 1)
    assert len(encoder._known) <= 256
    counting.seen.clear()
    encoder.encode(["999", "0"])
    assert counting.seen == ["0"]
