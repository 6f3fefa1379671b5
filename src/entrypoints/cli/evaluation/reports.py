"""Reports of evaluations: what was measured, kept under the data directory, and compared."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from entrypoints.cli.evaluation.measures import MEASURES, Judged, Ranking, by_query

QUANTILES = {"p50_ms": 50, "p95_ms": 95, "p99_ms": 99}


class ModeMeasured(msgspec.Struct, kw_only=True):
    """One way of searching, over all judged queries.

    `quality` has the mean of each measure, `latency` milliseconds as the client saw them,
    `done_as_asked` how many answers were really in this mode, and `ndcg_by_query` the nDCG@10 of
    each query.
    """

    quality: dict[str, float]
    latency: dict[str, float]
    done_as_asked: int
    without_answer: int
    ndcg_by_query: dict[str, float]


class Report(msgspec.Struct, kw_only=True):
    """One evaluation. `load_average` is the machine's: before, and after."""

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

    def compares_with(self, other: Report) -> bool:
        """Whether both asked the same of the same documents, so that a difference is ours."""
        ours = (self.fingerprint, self.aggregate, self.limit)
        return ours == (other.fingerprint, other.aggregate, other.limit)


def measured(
    rankings: Mapping[str, Ranking],
    judgements: Mapping[str, Judged],
    *,
    milliseconds: Sequence[float],
    done_as_asked: int,
) -> ModeMeasured:
    each = {name: by_query(measure, rankings, judgements) for name, measure in MEASURES.items()}
    cuts = (
        statistics.quantiles(milliseconds, n=100, method="inclusive")
        if (len(milliseconds) > 1)
        else [milliseconds[0]] * 99
    )
    return ModeMeasured(
        quality={
            name: round(statistics.fmean(values.values()), 4) for name, values in each.items()
        },
        latency={name: round(cuts[percent - 1], 1) for name, percent in QUANTILES.items()},
        done_as_asked=done_as_asked,
        without_answer=sum(not rankings.get(query) for query in judgements),
        ndcg_by_query={query: round(value, 4) for query, value in each["ndcg_at_10"].items()},
    )


def keep(report: Report, directory: Path) -> Path:
    """Write it beside earlier ones of its collection. Names sort by time."""
    place = _place(directory, report.collection)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = place / f"{report.at:%Y%m%dT%H%M%S.%fZ}.json"
    path.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=1) + b"\n")
    return path


def last_like(report: Report, directory: Path) -> Report | None:
    """The latest report that can be compared with this one; one that cannot be read is none."""
    for path in sorted(_place(directory, report.collection).glob("*.json"), reverse=True):
        try:
            earlier = msgspec.json.decode(path.read_bytes(), type=Report)
        except (msgspec.DecodeError, OSError):
            continue
        if report.compares_with(earlier):
            return earlier
    return None


def _place(directory: Path, collection: str) -> Path:
    return directory / "evaluations" / "retrieval" / collection
