"""What speaks for each intent: how near the examples are for the encoder, and the features of the surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from intents.encoder import Encoder, Vectors
from intents.features import Floats, Postings, Rows, Vocabulary, count
from intents.fusion import CHINESE, ENCODER, GROUPS, LATIN

ENCODER_VIEW = ENCODER
SHARPNESS = 1.5
"""How sharply the encoder's likeness falls with distance: exp(sharpness * (cosine - 1)); the others' is the cosine."""


@dataclass(frozen=True, slots=True)
class Head:
    """A judge of its own: the views it mixes by weight, and the groups of writing it speaks for."""

    mixture: Mapping[str, float]
    groups: tuple[str, ...]


HEADS = {
    "encoder": Head({ENCODER_VIEW: 1.0}, GROUPS),
    "han": Head({"word": 0.15, "char": 0.175, "sound": 0.175}, CHINESE),
    "sound": Head({"sound": 0.5}, CHINESE),
    "latin": Head({"word": 0.25, "char": 0.25}, LATIN),
}

RICH_ENCODER = Head({ENCODER_VIEW: 0.8, "word": 0.05, "char": 0.05}, GROUPS)
"""The encoder's head where examples abound: then the same words come again, and a share of the surface helps."""


NEAREST_VIEW = "char"
"""The surface view that tells how near the nearest example is, where there is no encoder."""


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
    def size(self) -> int:
        """Count the messages that others are compared with, strangers included."""
        return next(iter(self.surfaces.values())).postings.size

    @property
    def views(self) -> tuple[str, ...]:
        """Name the views in the order of their use."""
        return (*self.surfaces, ENCODER_VIEW) if self.vectors is not None else tuple(self.surfaces)

    def nearest(self, cosines: Floats) -> Floats:
        """Give the highest cosine of each text to an example that has an intent."""
        return np.asarray(cosines[:, : self.taught].max(axis=1), np.float32)

    def look(self, texts: Sequence[str], encoder: Encoder | None) -> Sight:
        """See texts in every view there is."""
        rows = {name: surface.vocabulary.rows(count(name, texts)) for name, surface in self.surfaces.items()}
        if encoder is not None and self.vectors is not None:
            return Sight(rows, self.encoded_cosines(encoder.encode(texts)))
        return Sight(rows, self.surfaces[NEAREST_VIEW].postings.cosines(rows[NEAREST_VIEW]))

    def encoded_cosines(self, vectors: Vectors) -> Floats:
        """Compare unit vectors of texts, fresh from the encoder, with all examples: (texts, examples).

        ValueError when there is nothing to compare them with.
        """
        if self.vectors is None or self.projection is None:
            raise ValueError("the examples were not encoded")
        return np.asarray((vectors @ self.projection) @ self.vectors.T, np.float32)


@dataclass(frozen=True, slots=True)
class Sight:
    """Texts as the views see them: their features, and their cosines to all examples in the view that tells nearness.

    That is the encoder's, or where there is none the surface view ``NEAREST_VIEW``: (texts, examples).
    """

    rows: Mapping[str, Rows]
    cosines: Floats


def likeness_of(view: str, cosine: Floats) -> Floats:
    """Turn cosines into likeness, at most 1."""
    if view != ENCODER_VIEW:
        return cosine.copy()
    likeness = cosine - np.float32(1)
    likeness *= np.float32(SHARPNESS)
    np.exp(likeness, out=likeness)
    return likeness


def head_scores(head: Head, learned: Mapping[str, Floats], sight: Sight, groups: Sequence[str]) -> Floats:
    """Let a head judge texts: scores (texts, intents), zero for the groups of writing it does not speak for.

    ``learned`` holds by view what speaks for each intent: each example's coefficient for the encoder, each feature's
    for a surface view.
    """
    speaks = [group in head.groups for group in groups]
    scores = np.zeros((len(groups), next(iter(learned.values())).shape[1]), np.float32)
    if not any(speaks):
        return scores
    for view, weight in head.mixture.items():
        if view != ENCODER_VIEW:
            scores += sight.rows[view].times(learned[view], speaks)
            continue
        likeness = likeness_of(view, sight.cosines)
        likeness *= weight
        scores += likeness @ learned[view]
    scores[np.logical_not(speaks)] = 0
    return scores
