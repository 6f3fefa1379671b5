"""A plot of a report, as SVG: a bar for each measure and mode, a line where it was before."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from entrypoints.cli.evaluation.reports import Report
from entrypoints.cli.evaluation.table import HEADINGS

_WIDTH, _LEFT, _RIGHT = 720, 120, 150
_ROW, _GAP, _TOP, _BAR = 20, 16, 56, 14
_COLOURS = ("#4477aa", "#ee6677", "#228833")


def svg_of(report: Report, earlier: Report | None) -> str:
    """Measures run from 0 to 1, left to right."""
    marks: list[str] = []
    y = _TOP
    for measure, heading in HEADINGS.items():
        marks.append(_text(12, y, heading, weight="bold"))
        for number, (mode, now) in enumerate(report.modes.items()):
            y += _ROW
            then = earlier.modes.get(mode) if earlier else None
            before = then.quality.get(measure) if then else None
            marks.extend(_bar(mode, now.quality[measure], before, y, _COLOURS[number % 3]))
        y += _ROW + _GAP
    since = "" if earlier is None else f"; lines: {earlier.at:%Y-%m-%d %H:%M}"
    title = f"{report.collection}, {report.at:%Y-%m-%d %H:%M} UTC{since}"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}"'
            ' font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            _text(12, 24, title, weight="bold"),
            *marks,
            "</svg>\n",
        ]
    )


def _bar(mode: str, now: float, before: float | None, y: int, colour: str) -> Iterator[str]:
    wide = _WIDTH - _LEFT - _RIGHT
    yield _text(24, y, mode)
    yield f'<rect x="{_LEFT}" y="{y - 11}" width="{wide}" height="{_BAR}" fill="#eee"/>'
    yield (
        f'<rect x="{_LEFT}" y="{y - 11}" width="{wide * now:.1f}" height="{_BAR}" fill="{colour}"/>'
    )
    change = ""
    if before is not None:
        x = _LEFT + wide * before
        yield f'<path d="M{x:.1f} {y - 13} v{_BAR + 4}" stroke="#222" stroke-width="2"/>'
        change = f" ({now - before:+.4f})"
    yield _text(_LEFT + wide + 10, y, f"{now:.4f}{change}")


def _text(x: int, y: int, words: str, *, weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" font-weight="{weight}">{escape(words)}</text>'
