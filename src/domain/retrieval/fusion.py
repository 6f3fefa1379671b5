"""Makes one ranking of two: by meaning and by words."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Set
from typing import Any, Protocol, TypeVar

SEMANTIC_WEIGHT = 0.5
"""How much closeness of meaning counts; the rest is the words'. Even was best or near it on
five public collections; a collection of one's own may prefer another weight."""

FEEDBACK_WEIGHT = 0.3
"""How much what the best hits are about counts beside the question, in the semantic leg. More is
better where many documents answer a question, and worse where one does."""

SATURATION = 1.2
LENGTH_WEIGHT = 0.5
"""k1 and b of BM25: how soon a word that is said again adds little, and how much longer passages
must say to equal short ones. Passages are about equally long, and those that are short are seldom
so for being to the point; so b is less than its usual 0.75."""


class Sortable(Hashable, Protocol):
    def __lt__(self, other: Any, /) -> bool: ...


Key = TypeVar("Key", bound=Sortable)


def fuse(
    semantic: Mapping[Key, float],
    keyword: Mapping[Key, float],
    *,
    semantic_weight: float = SEMANTIC_WEIGHT,
    unread: Set[Key] = frozenset(),
) -> list[tuple[Key, float]]:
    """Candidates with their scores from 0 to 1, best first; equal scores in the order of keys.

    A convex combination of scores, each leg normalised by its least and greatest score for this
    query (Bruch, Gai, Ingber, "An Analysis of Fusion Functions for Hybrid Retrieval", 2023): it
    keeps by how much one candidate is better than the next, which ranks forget. A candidate that
    one leg does not know has 0 there. A leg that knows nothing has no say: the other one's
    scores count in full, and likewise for those that are `unread`, which only the words can judge.
    Scores of one query cannot be compared with those of another.
    """
    if not 0 <= semantic_weight <= 1:
        raise ValueError("a weight lies between 0 and 1")
    if not semantic or not keyword:
        scores = normalised(semantic or keyword)
    else:
        left, right = normalised(semantic), normalised(keyword)
        scores = {
            key: right.get(key, 0.0)
            if key in unread
            else semantic_weight * left.get(key, 0.0) + (1 - semantic_weight) * right.get(key, 0.0)
            for key in left.keys() | right.keys()
        }
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def with_feedback(
    semantic: Mapping[Key, float], closeness: Mapping[Key, float], *, weight: float
) -> dict[Key, float]:
    """The semantic leg asked again, for what the best hits are about as well as for the question.

    Pseudo-relevance feedback: the question's vector is moved towards the middle of the best hits by
    `weight` (Rocchio, 1971; Li and others, "Pseudo Relevance Feedback with Deep Language Models and
    Dense Retrievers", 2021), which for inner products is to add how close each candidate is to it.
    """
    return {key: score + weight * closeness.get(key, 0.0) for key, score in semantic.items()}


def normalised(scores: Mapping[Key, float]) -> dict[Key, float]:
    """From 0 for the least to 1 for the greatest; 1 for all where there is no difference."""
    if not scores:
        return {}
    least, greatest = min(scores.values()), max(scores.values())
    if least == greatest:
        return dict.fromkeys(scores, 1.0)
    return {key: (score - least) / (greatest - least) for key, score in scores.items()}
