"""How alike a message is to each training example, view by view."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from intents.encoder import Encoder, Vectors
from intents.features import Floats, Postings, Vocabulary, count
from intents.fusion import CHINESE, ENCODER, GROUPS, LATIN

ENCODER_VIEW = ENCODER
WIDTHS = {ENCODER_VIEW: 1.5, "word": 1.5, "char": 1.5, "sound": 1.5}
"""How sharply likeness falls with distance: exp(width * (cosine - 1))."""


@dataclass(frozen=True, slots=True)
class Head:
    """A judge of its own: the views it mixes by weight, and the groups of writing it speaks for."""

    mixture: Mapping[str, float]
    groups: tuple[str, ...]


HEADS = {
    "encoder": Head({ENCODER_VIEW: 1.0}, GROUPS),
    "han": Head({"word": 0.3, "char": 0.35, "sound": 0.35}, CHINESE),
    "sound": Head({"sound": 1.0}, CHINESE),
    "latin": Head({"word": 0.5, "char": 0.5}, LATIN),
}

RICH_ENCODER = Head({ENCODER_VIEW: 0.8, "word": 0.1, "char": 0.1}, GROUPS)
"""The encoder's head where examples abound: then the same words come again, and a share of the surface helps."""


@dataclass(frozen=True, slots=True)
class Surface:
    """A surface view of the training examples."""

    vocabulary: Vocabulary
    postings: Postings


class Examples:
    """The training examples as every view sees them."""

    def __init__(
        self,
        surfaces: Mapping[str, Surface],
        vectors: Vectors | None,
        projection: Vectors | None,
        taught: int | None = None,
    ) -> None:
        """Keep the surface views and, when there is an encoder, what it makes of the examples.

        The first ``taught`` (all, when None) have an intent; after them come messages from outside of the trade.

        ``projection`` (encoder's dimensions, kept ones) leaves out the directions the examples do not use, which
        halves the time of a comparison; ``vectors`` (examples, kept ones) are projected already. They are kept
        column by column: so several texts are compared in a third of the time.
        """
        self.surfaces = dict(surfaces)
        self.vectors = None if vectors is None else np.asfortranarray(vectors)
        self.projection = projection
        self.taught = taught

    @property
    def views(self) -> tuple[str, ...]:
        """Name the views in the order of their use."""
        return (*self.surfaces, ENCODER_VIEW) if self.vectors is not None else tuple(self.surfaces)

    def nearest(self, cosines: Floats) -> Floats:
        """Give the highest cosine of each text to an example that has an intent."""
        return np.asarray(cosines[:, : self.taught].max(axis=1), np.float32)

    def surface_cosines(self, texts: Sequence[str]) -> dict[str, Floats]:
        """Compare texts with all examples in each surface view: arrays of (texts, examples)."""
        return {
            name: surface.postings.cosines(surface.vocabulary.rows(count(name, texts)))
            for name, surface in self.surfaces.items()
        }

    def cosines(self, texts: Sequence[str], encoder: Encoder | None) -> dict[str, Floats]:
        """Compare texts with all examples in each view: arrays of (texts, examples)."""
        found = self.surface_cosines(texts)
        if encoder is not None:
            found |= self.encoded_cosines(encoder.encode(texts))
        return found

    def encoded_cosines(self, vectors: Vectors) -> dict[str, Floats]:
        """Compare unit vectors of texts, fresh from the encoder, with all examples."""
        if self.vectors is None or self.projection is None:
            return {}
        return {ENCODER_VIEW: np.asarray((vectors @ self.projection) @ self.vectors.T, np.float32)}


def mix(cosines: Mapping[str, Floats], weights: Mapping[str, float]) -> Floats:
    """Add up the likeness of several views by their weights."""
    total: Floats | None = None
    for view, weight in weights.items():
        if weight:
            likeness = likeness_of(view, cosines[view])
            likeness *= weight
            total = likeness if total is None else np.add(total, likeness, out=total)
    if total is None:
        raise ValueError("a mixture needs a view with a weight")
    return total


def likeness_of(view: str, cosine: Floats) -> Floats:
    """Turn cosines into likeness, 0..1."""
    likeness = cosine - np.float32(1)
    likeness *= np.float32(WIDTHS[view])
    np.exp(likeness, out=likeness)
    return likeness


def head_scores(head: Head, coefficients: Floats, cosines: Mapping[str, Floats], groups: Sequence[str]) -> Floats:
    """Let a head judge texts: scores (texts, intents), zero for the groups of writing it does not speak for."""
    speaks = np.array([group in head.groups for group in groups])
    if not speaks.any():
        return np.zeros((len(groups), coefficients.shape[1]), np.float32)
    scores = mix(cosines, head.mixture) @ coefficients
    scores[~speaks] = 0
    return scores
