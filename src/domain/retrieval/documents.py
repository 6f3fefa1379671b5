"""Ranks documents by the passages that were found in them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
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
    added: dict[Document, list[tuple[Passage, Document, float]]] = {}
    for each in _what_each_adds(ranking, further_weight):
        added.setdefault(each[1], []).append(each)
    scored = [
        (first[0], document, sum(score for _, _, score in (first, *further)))
        for document, (first, *further) in added.items()
    ]
    return sorted(scored, key=lambda each: -each[2])


def spread(
    ranking: Sequence[tuple[Passage, Document, float]], *, further_weight: float = FURTHER_WEIGHT
) -> list[tuple[Passage, Document, float]]:
    """Every passage, best first: the best of each document with the document's score, as
    `best_of_each` has it, and further ones with what they add to it.

    So a page has as many documents as there are for it, and as many passages as there are.
    """
    best = best_of_each(ranking, further_weight=further_weight)
    listed = {passage for passage, _, _ in best}
    adding = _what_each_adds(ranking, further_weight)
    further = [each for each in adding if each[0] not in listed]
    return sorted([*best, *further], key=lambda each: -each[2])


def _what_each_adds(
    ranking: Sequence[tuple[Passage, Document, float]], further_weight: float
) -> Iterator[tuple[Passage, Document, float]]:
    counts: Counter[Document] = Counter()
    for passage, document, score in ranking:
        weight = further_weight ** counts[document]
        counts[document] += 1
        yield passage, document, score * weight * (1 - further_weight)
