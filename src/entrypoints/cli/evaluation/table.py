"""A report as a table for a terminal, with what changed since the last one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rich.table import Table

from entrypoints.cli.evaluation.reports import QUANTILES, ModeMeasured, Report

HEADINGS = {
    "ndcg_at_10": "nDCG@10",
    "recall_at_10": "recall@10",
    "recall_at_100": "recall@100",
    "mrr_at_10": "MRR@10",
}


def table_of(report: Report, earlier: Report | None) -> Table:
    """One row for each mode; below it, dimmed, the difference to the earlier report."""
    table = Table(title=f"{report.collection}: {report.queries:,} queries", title_justify="left")
    table.add_column("mode")
    for heading in (*HEADINGS.values(), *(name.replace("_", " ") for name in QUANTILES)):
        table.add_column(heading, justify="right")
    for mode, now in report.modes.items():
        table.add_row(mode, *_row(now))
        then = earlier.modes.get(mode) if earlier else None
        if then is not None:
            table.add_row("", *_changes(now, then), style="dim")
    return table


def remarks(report: Report, earlier: Report | None) -> Iterator[str]:
    """What the table does not say."""
    if report.judged_in:
        yield f"Judgements: {report.judged_in}."
    if report.queries_missing:
        yield f"{report.queries_missing:,} judged queries are not in queries.jsonl: not counted."
    if report.judged_missing:
        yield f"{report.judged_missing:,} relevant documents are not in corpus.jsonl: never found."
    if report.queries_themselves:
        yield (
            f"{report.queries_themselves:,} queries are documents as well, which are no answers "
            "to themselves."
        )
    missing = report.documents - report.documents_searchable
    if missing:
        yield f"{missing:,} of {report.documents:,} documents could not be made searchable."
    if report.documents_refused:
        yield f"{report.documents_refused:,} of these were not even taken."
    for mode, now in report.modes.items():
        if now.done_as_asked < report.queries:
            others = report.queries - now.done_as_asked
            yield f"{others:,} of {report.queries:,} queries were not answered by {mode}."
        if now.refused:
            yield f"{now.refused:,} queries were refused by {mode}, and count as not answered."
        if now.without_answer:
            yield f"{now.without_answer:,} queries got no answer by {mode}."
    if earlier is None:
        yield "There is no earlier report to compare with."
        return
    for mode, now in report.modes.items():
        then = earlier.modes.get(mode)
        if then is not None:
            better, worse = _moved(now.ndcg_by_query, then.ndcg_by_query)
            yield (
                f"Since {earlier.at:%Y-%m-%d %H:%M} UTC, nDCG@10 by {mode} rose for {better:,} "
                f"queries and fell for {worse:,}."
            )


def _row(mode: ModeMeasured) -> list[str]:
    return [f"{mode.quality[name]:.4f}" for name in HEADINGS] + [
        f"{mode.latency[name]:.1f}" for name in QUANTILES
    ]


def _changes(now: ModeMeasured, then: ModeMeasured) -> list[str]:
    return [f"{now.quality[name] - then.quality.get(name, 0.0):+.4f}" for name in HEADINGS] + [
        f"{now.latency[name] - then.latency.get(name, 0.0):+.1f}" for name in QUANTILES
    ]


def _moved(now: Mapping[str, float], then: Mapping[str, float]) -> tuple[int, int]:
    pairs = [(value, then[query]) for query, value in now.items() if query in then]
    return sum(a > b for a, b in pairs), sum(a < b for a, b in pairs)
