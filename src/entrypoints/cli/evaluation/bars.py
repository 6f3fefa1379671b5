"""Bars from 0 to 1 in groups, as SVG, each with a line where it was before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_WIDTH, _LEFT, _RIGHT = 720, 120, 150
_ROW, _GAP, _TOP, _BAR = 20, 16, 56, 14
_COLOURS = ("#4477aa", "#ee6677", "#228833")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """`before` is None where there is nothing to compare with."""

    label: str
    now: float
    before: float | None = None


def bars(title: str, groups: Mapping[str, Sequence[Bar]]) -> str:
    """Each group under its heading; values run from 0 to 1, left to right."""
    marks: list[str] = []
    y = _TOP
    for heading, group in groups.items():
        marks.append(_text(12, y, heading, weight="bold"))
        for number, bar in enumerate(group):
            y += _ROW
            marks.extend(_drawn(bar, y, _COLOURS[number % 3]))
        y += _ROW + _GAP
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


def _drawn(bar: Bar, y: int, colour: str) -> Iterator[str]:
    wide = _WIDTH - _LEFT - _RIGHT
    yield _text(24, y, bar.label)
    yield f'<rect x="{_LEFT}" y="{y - 11}" width="{wide}" height="{_BAR}" fill="#eee"/>'
    yield (
        f'<rect x="{_LEFT}" y="{y - 11}" width="{wide * bar.now:.1f}" height="{_BAR}"'
        f' fill="{colour}"/>'
    )
    change = ""
    if bar.before is not None:
        x = _LEFT + wide * bar.before
        yield f'<path d="M{x:.1f} {y - 13} v{_BAR + 4}" stroke="#222" stroke-width="2"/>'
        change = f" ({bar.now - bar.before:+.4f})"
    yield _text(_LEFT + wide + 10, y, f"{bar.now:.4f}{change}")


def _text(x: int, y: int, words: str, *, weight: str = "normal") -> str:
    return f'<text x="{x}" y="{y}" font-weight="{weight}">{escape(words)}</text>'
