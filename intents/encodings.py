"""Encodings kept by content, so that only new examples are encoded when training again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from intents.arithmetic import shared_cores
from intents.encoder import Encoder, Vectors

_FILE = "encodings.npz"
_BATCH = 128


class EncodingCache:
    """Vectors of texts by the hash of text and encoder, kept in one file."""

    def __init__(self, model_dir: Path, encoder: Encoder, file: str = _FILE) -> None:
        """Open the cache of ``model_dir``; an unreadable file counts as an empty one."""
        self._path = model_dir / file
        self._encoder = encoder
        self._known = self._read()

    def _read(self) -> dict[str, Vectors]:
        try:
            with np.load(self._path, allow_pickle=False) as stored:
                keys, vectors = stored["keys"], stored["vectors"]
        except (OSError, ValueError, KeyError, EOFError):
            return {}
        if vectors.shape != (len(keys), self._encoder.dimensions):
            return {}
        return dict(zip(keys.tolist(), vectors, strict=True))

    def encode(self, texts: Sequence[str], progress: Callable[[str, float], None]) -> Vectors:
        """Encode texts, shape (texts, dimensions), and remember exactly these."""
        keys = [self._key(text) for text in texts]
        missing = list({key: text for key, text in zip(keys, texts, strict=True) if key not in self._known}.items())
        self._encode(missing, progress)
        progress("encoding", 1.0)
        if missing:
            self._write(sorted(set(keys)))
        return np.stack([self._known[key] for key in keys]).astype(np.float32)

    def _encode(self, missing: Sequence[tuple[str, str]], progress: Callable[[str, float], None]) -> None:
        """Encode (key, text) pairs, a part on each core: the encoder itself works on one core."""
        parts = [missing[start : start + _BATCH] for start in range(0, len(missing), _BATCH)]
        with shared_cores() as spread:
            encoded = spread(lambda part: self._encoder.encode([text for _, text in part]), parts)
            for done, (part, vectors) in enumerate(zip(parts, encoded, strict=True)):
                progress("encoding", done / len(parts))
                self._known.update(zip((key for key, _ in part), vectors, strict=True))

    def known(self, texts: Iterable[str]) -> dict[str, Vectors]:
        """Give the vectors that are remembered, by text."""
        return {text: self._known[key] for text in texts if (key := self._key(text)) in self._known}

    def keep(self, vectors: Mapping[str, Vectors]) -> None:
        """Remember exactly these vectors, by text."""
        self._known = {self._key(text): vector for text, vector in vectors.items()}
        self._write(sorted(self._known))

    def _key(self, text: str) -> str:
        return hashlib.sha256(f"{self._encoder.name}\n{text}".encode()).hexdigest()[:32]

    def _write(self, keys: Sequence[str]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}.npz")
        np.savez(beside, keys=np.array(keys), vectors=np.stack([self._known[key] for key in keys]))
        beside.replace(self._path)
