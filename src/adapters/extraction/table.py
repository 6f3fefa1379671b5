"""Writes the rows of tables, each beside the names of its columns.

A passage holds a few rows out of thousands, so each row says by itself what its cells are:
"Name: Ada | City: London". The names are found in the first rows; where they cannot be told
from what they name, the rows are written without.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.transcript import Transcript
from domain.place import Place
from domain.retrieval.extracted_text import BlockKind
from domain.retrieval.rejection import more_than

Row = Mapping[int, str]
"""What is written in a row, by column from 0; empty cells are left out."""

_FIRST_ROWS = 20
_NAME_CHARACTERS_MAX = 100
_SHEET_CHARACTERS_MAX = 100  # spreadsheet programs allow 31; it is stored with every passage
_YEAR = re.compile(r"(?:19|20)[0-9]{2}")


class TableWriter:
    """Writes one table after the other, in order, and refuses what goes beyond the limits."""

    def __init__(self, transcript: Transcript, limits: ExtractionLimits) -> None:
        self.transcript = transcript
        self._limits = limits
        self._sheets = self._rows = self._cells = 0
        self._sheet: str | None = None
        self._first: list[tuple[int, Row]] | None = []
        self._names: Row = {}

    def begin_sheet(self, name: str) -> None:
        """What follows is in the sheet of this name, which is its heading if it has a row."""
        self.end()
        self._sheets += 1
        if self._sheets > self._limits.sheets_max:
            raise more_than(self._limits.sheets_max, "sheets")
        self._sheet = " ".join(name.split())[:_SHEET_CHARACTERS_MAX] or None

    def add(self, number: int, row: Row) -> None:
        """The row of this number, from 1; one without anything in it is left out."""
        if not row:
            return
        self._rows += 1
        self._cells += len(row)
        if self._rows > self._limits.rows_max:
            raise more_than(self._limits.rows_max, "rows")
        if self._cells > self._limits.cells_max:
            raise more_than(self._limits.cells_max, "cells")
        if max(row) >= self._limits.columns_max:
            raise more_than(self._limits.columns_max, "columns")
        if max(map(len, row.values())) > self._limits.cell_characters_max:
            raise more_than(self._limits.cell_characters_max, "characters in one cell")
        if self._first is None:
            self._write(number, row)
            return
        self._first.append((number, row))
        if len(self._first) == _FIRST_ROWS:
            self._write_first()

    def end(self) -> None:
        """Write what is held back; another table may follow."""
        if self._first:
            self._write_first()
        self._first, self._names = [], {}

    def _write_first(self) -> None:
        first, self._first = self._first or [], None
        if self._sheet is not None:
            sheet = Place(sheet=self._sheet)
            self.transcript.add(BlockKind.HEADING, self._sheet, level=1, place=sheet)
        at = _header(first)
        for position, (number, row) in enumerate(first):
            self._write(number, row)
            if position == at:
                self._names = {column: _name(cell) for column, cell in row.items()}

    def _write(self, number: int, row: Row) -> None:
        cells = [
            f"{self._names[column]}: {row[column]}" if column in self._names else row[column]
            for column in sorted(row)
        ]
        self.transcript.add_row(cells, place=Place(sheet=self._sheet, row=number))


def names_columns(cells: list[str]) -> bool:
    """Whether these may be the names of columns: several, short, in words or years, and distinct.

    A row of a table of words alone looks the same; it is rare that such a table has no header.
    """
    names = [_name(cell).casefold() for cell in cells]
    return (
        len(names) > 1
        and len(set(names)) == len(names)
        and any(map(_has_letter, names))
        and all(
            len(name) <= _NAME_CHARACTERS_MAX and (_has_letter(name) or _YEAR.fullmatch(name))
            for name in names
        )
    )


def _header(first: list[tuple[int, Row]]) -> int | None:
    """Which row names the columns: the first that fills most of them, if it looks like names.

    Rows before it, often a title, fill fewer.
    """
    widest = max(len(row) for _, row in first)
    for at, (_, row) in enumerate(first[:-1]):
        if len(row) * 2 > widest:
            return at if names_columns(list(row.values())) else None
    return None


def _name(cell: str) -> str:
    return " ".join(cell.split()).rstrip(": ")


def _has_letter(text: str) -> bool:
    return any(character.isalpha() for character in text)
