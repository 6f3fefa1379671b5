"""A hundred thousand passages with synthetic vectors in clusters, and people who see some of them.

Vectors lie about the centres of topics, in a space of few dimensions about each, as those of texts
do; a document is about one topic. They are written straight into the tables, by COPY as the
superuser: what is measured is how they are searched.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIMENSIONS = 384
MODEL = "synthetic"
PASSAGES_PER_DOCUMENT = 10
TOPICS = 100
# How far documents lie from their topic, passages from their document, and both from their space.
SPREAD_DIMENSIONS, OF_DOCUMENTS, OF_PASSAGES, OF_NOISE = 32, 0.8, 0.5, 0.3

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Clustered:
    """`vectors[i]` is passage i, of document `i // PASSAGES_PER_DOCUMENT`, which is about
    `topics[document]`. `nearest[topic]` has all topics, the nearest first."""

    chance: np.random.Generator
    centres: Vectors
    directions: Vectors
    topics: NDArray[np.int64]
    vectors: Vectors
    nearest: NDArray[np.int64]

    @classmethod
    def of(cls, passages: int, *, seed: int = 20_261_129) -> Clustered:
        chance = np.random.default_rng(seed)
        centres = _unit(chance.standard_normal((TOPICS, DIMENSIONS), np.float32))
        directions = _unit(chance.standard_normal((SPREAD_DIMENSIONS, DIMENSIONS), np.float32))
        topics = chance.integers(0, TOPICS, passages // PASSAGES_PER_DOCUMENT)
        middles = centres[topics] + _spread(chance, len(topics), directions, OF_DOCUMENTS)
        vectors = np.repeat(middles, PASSAGES_PER_DOCUMENT, axis=0)
        vectors += _spread(chance, len(vectors), directions, OF_PASSAGES)
        return cls(
            chance=chance,
            centres=centres,
            directions=directions,
            topics=topics,
            # As the column stores them, so that a comparison here gives the same order.
            vectors=_unit(vectors).astype(np.float16).astype(np.float32),
            nearest=np.argsort(-centres @ centres.T, axis=1),
        )

    def question(self, topic: int) -> Vectors:
        """About `topic`, as a passage would be."""
        spread = _spread(self.chance, 1, self.directions, OF_DOCUMENTS + OF_PASSAGES)
        return _unit(self.centres[[topic]] + spread)[0]

    def best(self, question: Vectors, visible: NDArray[np.int64], limit: int) -> set[int]:
        """The passages among `visible` (sorted numbers) that are nearest to the question."""
        products = self.vectors[visible] @ question.astype(np.float16).astype(np.float32)
        return set(visible[np.argsort(-products, kind="stable")[:limit]].tolist())


def _unit(vectors: Vectors) -> Vectors:
    lengths: Vectors = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / lengths


def _spread(chance: np.random.Generator, count: int, directions: Vectors, width: float) -> Vectors:
    inside = chance.standard_normal((count, len(directions)), np.float32) @ directions
    outside = chance.standard_normal((count, DIMENSIONS), np.float32)
    found: Vectors = (
        inside * width / len(directions) ** 0.5 + outside * OF_NOISE * width / DIMENSIONS**0.5
    )
    return found
