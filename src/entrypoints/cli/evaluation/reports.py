"""Reports of evaluations: what was measured, kept under the data directory, and compared."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from entrypoints.cli.evaluation.kept import keep_in, last_in, place_of, quantile
from entrypoints.cli.evaluation.measures import MEASURES, Judged, Ranking, by_query

QUANTILES = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}


class ModeMeasured(msgspec.Struct, kw_only=True):
    """One way of searching, over all judged queries.

    `quality` has the mean of each measure, `latency` milliseconds as the client saw them,
    `done_as_asked` how many answers were really in this mode, and `ndcg_by_query` the nDCG@10 of
    each query. Queries that were `refused` (empty ones, say) count as answered by nothing.
    """

    quality: dict[str, float]
    latency: dict[str, float]
    done_as_asked: int
    without_answer: int
    ndcg_by_query: dict[str, float]
    refused: int = 0


class Report(msgspec.Struct, kw_only=True):
    """One evaluation. `load_average` is the machine's: before, and after.

    Of `queries_themselves` the document that each is was left out of the answer. `queries_missing`
    were judged and are not in the collection, `judged_missing` documents are relevant and are not.
    """

    collection: str
    fingerprint: str
    at: datetime
    strongroom: str
    server: str
    documents: int
    documents_searchable: int
    queries: int
    aggregate: str
    limit: int
    seconds: dict[str, float]
    load_average: tuple[float, float]
    modes: dict[str, ModeMeasured]
    documents_refused: int = 0
    judged_in: str = ""
    queries_themselves: int = 0
    queries_missing: int = 0
    judged_missing: int = 0

    def compares_with(self, other: object, /) -> bool:
        """Whether both asked the same of the same documents, so that a difference is ours."""
        if not isinstance(other, Report):
            return False
        ours = (self.fingerprint, self.aggregate, self.limit)
        return ours == (other.fingerprint, other.aggregate, other.limit)


def measured(
    rankings: Mapping[str, Ranking],
    judgements: Mapping[str, Judged],
    *,
    milliseconds: Sequence[float],
    done_as_asked: int,
    refused: int = 0,
) -> ModeMeasured:
    each = {name: by_query(measure, rankings, judgements) for name, measure in MEASURES.items()}
    return ModeMeasured(
        quality={
            name: round(statistics.fmean(values.values()), 4) for name, values in each.items()
        },
        latency={
            name: round(quantile(milliseconds, percent), 1) for name, percent in QUANTILES.items()
        },
        done_as_asked=done_as_asked,
        without_answer=sum(not rankings.get(query) for query in judgements),
        ndcg_by_query={query: round(value, 4) for query, value in each["ndcg_at_10"].items()},
        refused=refused,
    )


def keep(report: Report, directory: Path) -> Path:
    """Write it beside earlier ones of its collection. Names sort by time."""
    return keep_in(place_of(directory, "retrieval", report.collection), report)


def last_like(report: Report, directory: Path) -> Report | None:
    """The latest report that can be compared with this one; one that cannot be read is none."""
    return last_in(place_of(directory, "retrieval", report.collection), report)
