"""Puts the lines of two columns of running text one column after the other, where a page draws them
row by row. What typesetters draw column by column comes in that order anyway."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from adapters.extraction.pdf_lines import Line

_ROWS_MIN = 5
_CHARACTERS_MIN = 20  # of half of the lines; cells of tables are shorter
_GOES_ON_MIN = 0.3  # of the lines begin with a small letter, for they go on with the line before
_ALIKE_POINTS = 4.0

_Row = Sequence[Line]


def column_by_column(lines: Sequence[Line]) -> list[Line]:
    """The lines of a page, each stretch of rows of two columns taken apart."""
    ordered: list[Line] = []
    held: list[_Row] = []
    for row in _rows(lines):
        if held and not _is_below(row, held):
            ordered += _apart(held)
            held = []
        if held or len(row) == 2:
            held.append(row)
        else:
            ordered += row
    return [*ordered, *_apart(held)]


def _rows(lines: Sequence[Line]) -> Iterator[_Row]:
    row: list[Line] = []
    for line in lines:
        if row and row[-1].is_level_with(line) and line.left > row[-1].left:
            row.append(line)
            continue
        if row:
            yield row
        row = [line]
    if row:
        yield row


def _is_below(row: _Row, held: Sequence[_Row]) -> bool:
    """Whether it is of the same columns: both, or one where the other has a gap or has ended."""
    left, right = held[0]
    if row[0].top >= held[-1][0].top:
        return False
    if len(row) == 2:
        return _begins_at(row[1], right) and row[0].right < right.left
    return len(row) == 1 and (
        _begins_at(row[0], right) or (_begins_at(row[0], left) and row[0].right < right.left)
    )


def _begins_at(line: Line, edge: Line) -> bool:
    return abs(line.left - edge.left) < _ALIKE_POINTS


def _apart(rows: Sequence[_Row]) -> Iterator[Line]:
    left: list[Line] = []
    right: list[Line] = []
    for row in rows:
        for line in row:
            (right if _begins_at(line, rows[0][1]) else left).append(line)
    if sum(len(row) == 2 for row in rows) >= _ROWS_MIN and all(map(_runs_on, (left, right))):
        yield from left
        yield from right
    else:
        for row in rows:
            yield from row


def _runs_on(column: Sequence[Line]) -> bool:
    going_on = sum(line.text.lstrip()[:1].islower() for line in column)
    return (
        going_on >= len(column) * _GOES_ON_MIN
        and statistics.median(len(line.text) for line in column) >= _CHARACTERS_MIN
    )
