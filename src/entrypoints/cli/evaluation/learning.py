"""Learns how much meaning and words should count, from what each made of judged passages."""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from entrypoints.cli.evaluation.measures import Judged, ndcg, ranked

WEIGHTS = tuple(round(step / 20, 2) for step in range(21))


@dataclass(frozen=True, slots=True, kw_only=True)
class Leg:
    """A passage that was found: its document, and what each leg made of it, from 0 to 1."""

    document: str
    semantic: float
    keyword: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedQuery:
    """What was found for a query, and what people judged to be right."""

    found: Sequence[Leg]
    judged: Judged


Queries = Mapping[str, JudgedQuery]


def halves(queries: Queries) -> tuple[Queries, Queries]:
    """To learn from, and to test on: by the names of the queries, so always the same."""
    learn = {name: query for name, query in queries.items() if _is_to_learn_from(name)}
    return learn, {name: query for name, query in queries.items() if name not in learn}


def learned(collections: Sequence[Queries]) -> float:
    """The semantic weight with the best mean quality; each collection counts alike.

    Of weights that are equally good, the one nearest to a half.
    """
    return max(
        WEIGHTS,
        key=lambda weight: (
            round(statistics.fmean(quality(each, weight) for each in collections), 4),
            -abs(weight - 0.5),
        ),
    )


def quality(queries: Queries, weight: float) -> float:
    """The mean nDCG@10 of documents by their best passage; 0 where there are no queries."""
    scores = [
        ndcg(ranked(_scores(query.found, weight)), query.judged, at=10)
        for query in queries.values()
    ]
    return statistics.fmean(scores) if scores else 0.0


def _scores(found: Sequence[Leg], weight: float) -> dict[str, float]:
    scores: dict[str, float] = {}
    for leg in found:
        score = weight * leg.semantic + (1 - weight) * leg.keyword
        scores[leg.document] = max(scores.get(leg.document, 0.0), score)
    return scores


def _is_to_learn_from(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0
