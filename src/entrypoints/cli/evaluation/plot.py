"""A plot of a report, as SVG: a bar for each measure and mode, a line where it was before."""

from __future__ import annotations

from entrypoints.cli.evaluation.bars import Bar, bars
from entrypoints.cli.evaluation.reports import Report
from entrypoints.cli.evaluation.table import HEADINGS


def svg_of(report: Report, earlier: Report | None) -> str:
    """Measures run from 0 to 1, left to right."""
    then = {} if earlier is None else earlier.modes
    since = "" if earlier is None else f"; lines: {earlier.at:%Y-%m-%d %H:%M}"
    groups = {
        heading: [
            Bar(
                label=mode,
                now=now.quality[measure],
                before=then[mode].quality.get(measure) if mode in then else None,
            )
            for mode, now in report.modes.items()
        ]
        for measure, heading in HEADINGS.items()
    }
    return bars(f"{report.collection}, {report.at:%Y-%m-%d %H:%M} UTC{since}", groups)
