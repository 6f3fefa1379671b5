"""A report on a chat as a table for a terminal, as a plot, and what neither says."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

from entrypoints.cli.evaluation.bars import Bar, bars
from entrypoints.cli.evaluation.chat_measures import HEADINGS
from entrypoints.cli.evaluation.chat_reports import ChatReport

_UNCHANGED = 1e-9


def table_of(report: ChatReport, earlier: ChatReport | None) -> Table:
    """One row for each measure, with the difference to the earlier report."""
    title = f"{report.questions_name}: {report.questions:,} questions by {report.model}"
    table = Table(title=title, title_justify="left")
    table.add_column("measure")
    table.add_column("now", justify="right")
    table.add_column("since last", justify="right", style="dim")
    then = earlier.quality if earlier else {}
    for name, heading in HEADINGS.items():
        if name in report.quality:
            now = report.quality[name]
            change = f"{now - then[name]:+.4f}" if name in then else ""
            table.add_row(heading, f"{now:.4f}", change)
    slow = earlier.latency if earlier else {}
    for name, milliseconds in report.latency.items():
        change = f"{milliseconds - slow[name]:+.1f}" if name in slow else ""
        table.add_row(name.replace("_", " "), f"{milliseconds:.1f}", change)
    return table


def svg_of(report: ChatReport, earlier: ChatReport | None) -> str:
    """Measures run from 0 to 1, left to right."""
    then = earlier.quality if earlier else {}
    since = "" if earlier is None else f"; lines: {earlier.model}, {earlier.at:%Y-%m-%d %H:%M}"
    title = f"{report.questions_name} by {report.model}, {report.at:%Y-%m-%d %H:%M} UTC{since}"
    groups = {
        heading: [Bar(label="all", now=report.quality[name], before=then.get(name))]
        for name, heading in HEADINGS.items()
        if name in report.quality
    }
    return bars(title, groups)


def remarks(report: ChatReport, earlier: ChatReport | None) -> Iterator[str]:
    """What the table does not say."""
    missing = report.documents - report.documents_searchable
    if missing:
        yield f"{missing:,} of {report.documents:,} documents could not be made searchable."
    if report.not_completed:
        yield f"{report.not_completed:,} of {report.questions:,} answers were not completed."
    refusals = {
        question: each.measures["refusal"]
        for question, each in report.by_question.items()
        if each.measures["refusal"] == 0.0
    }
    if refusals:
        yield f"{len(refusals):,} questions were answered or refused that should not have been."
    cost = "of unknown price" if report.cost is None else f"for {report.cost:.4f}"
    tokens = f"{report.tokens['input']:,} tokens in, {report.tokens['output']:,} out"
    yield f"{report.model}, prompt {report.prompt_version}: {tokens}, {cost}."
    if earlier is None:
        yield "There is no earlier report to compare with."
        return
    better, worse = _moved(report, earlier)
    yield (
        f"Since {earlier.at:%Y-%m-%d %H:%M} UTC ({earlier.model}, prompt {earlier.prompt_version}),"
        f" {better:,} questions were answered better and {worse:,} worse."
    )


def _moved(report: ChatReport, earlier: ChatReport) -> tuple[int, int]:
    """By the sum of all measures of a question."""
    changes = [
        _worth(now.measures) - _worth(earlier.by_question[question].measures)
        for question, now in report.by_question.items()
        if question in earlier.by_question
    ]
    return sum(each > _UNCHANGED for each in changes), sum(each < -_UNCHANGED for each in changes)


def _worth(measures: dict[str, float | None]) -> float:
    return sum(value for value in measures.values() if value is not None)
