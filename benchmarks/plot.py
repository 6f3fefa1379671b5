"""A plot of what was measured, as SVG: for each figure one row per side, with median and range."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from html import escape

_WIDTH, _LEFT, _RIGHT = 760, 210, 150
_ROW, _GAP, _TOP = 22, 34, 46


def svg_of(title: str, figures: Mapping[str, Mapping[str, Sequence[float]]]) -> str:
    """Each figure has a scale of its own, from 0 to the largest value of any side."""
    marks, y = [], _TOP
    for figure, sides in figures.items():
        marks.append(_text(12, y, figure, weight="bold"))
        top = max(max(values) for values in sides.values()) or 1.0
        for side, values in sides.items():
            y += _ROW
            marks.extend(_row(side, values, y, top))
        y += _GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{y}"'
            ' font-family="sans-serif" font-size="12">',
            '<rect width="100%" height="100%" fill="white"/>',
            _text(12, 20, f"{title}: median of the rounds, and their range", weight="bold"),
            *marks,
            "</svg>\n",
        ]
    )


def _row(side: str, values: Sequence[float], y: int, top: float) -> Iterator[str]:
    def x(value: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * value / top

    low, middle, high = min(values), statistics.median(values), max(values)
    yield _text(24, y, side)
    yield _line(x(0), x(top), y, "#ddd", 1)
    yield _line(x(low), x(high), y, "#4477aa", 5)
    yield f'<circle cx="{x(middle):.1f}" cy="{y - 4}" r="5" fill="#222"/>'
    yield _text(_WIDTH - _RIGHT + 12, y, f"{middle:.4g} ({low:.4g} to {high:.4g})")


def _line(start: float, end: float, y: int, colour: str, width: int) -> str:
    ends = f'x1="{start:.1f}" x2="{end:.1f}" y1="{y - 4}" y2="{y - 4}"'
    return f'<line {ends} stroke="{colour}" stroke-width="{width}" stroke-linecap="round"/>'


def _text(x: int, y: int, words: str, *, weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" font-weight="{weight}">{escape(words)}</text>'
