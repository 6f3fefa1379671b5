"""What a ranking is worth, judged by people: measures from 0 to 1, more is better.

A ranking is the names of documents, best first, each once. Judgements say how relevant a document
is: above 0 is relevant, and whatever was not judged is not. They are the measures of trec_eval:
gains are linear, and the discount is the binary logarithm of one more than the rank (Järvelin,
Kekäläinen, "Cumulated Gain-Based Evaluation of IR Techniques", 2002).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence

Ranking = Sequence[str]
Judged = Mapping[str, int]


def ndcg(ranking: Ranking, judged: Judged, *, at: int) -> float:
    """Normalised discounted cumulative gain of the first `at` documents."""
    ideal = _gain(sorted(judged.values(), reverse=True)[:at])
    return _gain(judged.get(name, 0) for name in ranking[:at]) / ideal if ideal else 0.0


def recall(ranking: Ranking, judged: Judged, *, at: int) -> float:
    """The share of all relevant documents that is among the first `at`."""
    relevant = {name for name, relevance in judged.items() if relevance > 0}
    return len(relevant.intersection(ranking[:at])) / len(relevant) if relevant else 0.0


def reciprocal_rank(ranking: Ranking, judged: Judged, *, at: int) -> float:
    """One divided by the rank of the first relevant document, if it is among the first `at`."""
    for rank, name in enumerate(ranking[:at], start=1):
        if judged.get(name, 0) > 0:
            return 1 / rank
    return 0.0


MEASURES: Mapping[str, Callable[[Ranking, Judged], float]] = {
    "ndcg_at_10": lambda ranking, judged: ndcg(ranking, judged, at=10),
    "recall_at_10": lambda ranking, judged: recall(ranking, judged, at=10),
    "recall_at_100": lambda ranking, judged: recall(ranking, judged, at=100),
    "mrr_at_10": lambda ranking, judged: reciprocal_rank(ranking, judged, at=10),
}


def by_query(
    measure: Callable[[Ranking, Judged], float],
    rankings: Mapping[str, Ranking],
    judgements: Mapping[str, Judged],
) -> dict[str, float]:
    """The measure of every query that was judged. One without an answer counts as 0."""
    return {query: measure(rankings.get(query, ()), judged) for query, judged in judgements.items()}


def ranked(scores: Mapping[str, float]) -> list[str]:
    """Names by falling score; equal scores in the order of trec_eval, last name first."""
    return sorted(scores, key=lambda name: (scores[name], name), reverse=True)


def _gain(relevances: Iterable[int]) -> float:
    return sum(
        max(relevance, 0) / math.log2(rank + 1) for rank, relevance in enumerate(relevances, 1)
    )
