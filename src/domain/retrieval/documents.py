"""Ranks documents by the passages that were found in them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TypeVar

FURTHER_WEIGHT = 0.1
"""What each further passage of a document counts, as a share of the one before it."""

Passage = TypeVar("Passage", bound=Hashable)
Document = TypeVar("Document", bound=Hashable)


def best_of_each(
    ranking: Sequence[tuple[Passage, Document, float]], *, further_weight: float = FURTHER_WEIGHT
) -> list[tuple[Passage, Document, float]]:
    """The best passage of each document with the document's score, from 0 to 1, best first.

    `ranking` has passages with scores from 0 to 1, best first. A document counts for its best
    passage, and a little for others: between two with equally good ones, that which says more
    on the matter comes first. The sum of all weights is 1.
    """
    found: dict[Document, tuple[Passage, float, int]] = {}
    for passage, document, score in ranking:
        best, total, count = found.get(document, (passage, 0.0, 0))
        found[document] = (best, total + score * further_weight**count, count + 1)
    scored = [
        (best, document, total * (1 - further_weight))
        for document, (best, total, _) in found.items()
    ]
    return sorted(scored, key=lambda each: -each[2])
