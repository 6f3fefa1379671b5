"""Reads tables in text: comma-, semicolon- and tab-separated values (RFC 4180, and near it)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.plain_text import decoded
from adapters.extraction.table import TableWriter, names_columns
from adapters.extraction.transcript import Transcript
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import more_than

_HEAD_CHARACTERS = 65_536
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_ALIKE = 0.9  # of the rows have as many cells as the first
_WIDE = 4  # so many columns of bare numbers are a table; fewer may be numbers with separators
_MARKUP = re.compile(r"[{}<>=`\\]|^[-*#>|]\s")
_STOP = re.compile(r"[.:;!?]$")
_EVEN_ROWS = _EVEN_CELLS = 3  # so many rows of as many cells are a table, whatever names them
_DECLARED = re.compile(r"sep=([,;\t])\r?\n")  # what Excel reads, and some programs write
_EVENLY = ("()", "[]")


def extract_csv(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """One row block for each record; `row` counts the records."""
    text = decoded(content)
    found = delimiter_of(text[:_HEAD_CHARACTERS], whole=len(text) <= _HEAD_CHARACTERS)
    return _extract(text, ";" if found == ";" else ",", limits)


def extract_tsv(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """As CSV, with tabs between the cells."""
    return _extract(decoded(content), "\t", limits)


def delimiter_of(head: str, *, whole: bool) -> str | None:
    """What parts the cells of a table in text; None for text that is no table.

    It is one when nearly all lines have as many cells as the first, and the first may be names
    of columns, or when several lines have exactly as many; or when it says so. A comma before a
    blank is punctuation.
    """
    declared = _DECLARED.match(head)
    if declared is not None:
        return declared[1]
    for delimiter in "\t;,":
        try:
            records = [record for record in csv.reader(_lines(head), delimiter=delimiter) if record]
        except csv.Error:
            continue
        if not whole:
            del records[-1:]  # it was cut
        if len(records) > 1 and _is_table(records):
            spaced = sum(cell.startswith(" ") for record in records for cell in record[1:])
            if delimiter == "\t" or spaced * 2 < sum(len(record) - 1 for record in records):
                return delimiter
    return None


def _extract(text: str, delimiter: str, limits: ExtractionLimits) -> ExtractedText:
    table = TableWriter(Transcript(limits), limits)
    before = csv.field_size_limit(limits.cell_characters_max)  # of the process
    declared = _DECLARED.match(text)
    if declared is not None:
        text = text[declared.end() :]
    records = csv.reader(_lines(text), delimiter=delimiter)
    try:
        for number, cells in enumerate(records, start=1):
            table.add(number, {at: cell for at, cell in enumerate(cells) if cell.strip()})
    except csv.Error:
        raise more_than(limits.cell_characters_max, "characters in one cell") from None
    finally:
        csv.field_size_limit(before)
    table.end()
    return table.transcript.finish()


def _is_table(records: list[list[str]]) -> bool:
    first = records[0]
    alike = sum(len(record) == len(first) for record in records)
    if len(first) < 2 or alike < _ALIKE * len(records):
        return False
    cells = [cell.strip() for cell in first]
    if any(_MARKUP.search(cell) or not _is_even(cell) for cell in cells):
        return False
    is_even = alike == len(records) >= _EVEN_ROWS and len(first) >= _EVEN_CELLS
    if is_even and any(any(map(str.isalpha, cell)) for cell in cells):
        return True
    if any(map(_STOP.search, cells)):
        return False
    named = [cell for cell in cells[1:] if cell]  # the first may have no name
    if len(named) == len(cells) - 1 and names_columns([cells[0] or "-a", *named]):
        return True
    return len(first) >= _WIDE and all(_is_number(cell) for cell in cells)


def _is_even(cell: str) -> bool:
    return all(cell.count(pair[0]) == cell.count(pair[1]) for pair in _EVENLY)


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?[0-9][0-9.,]{0,30}(?:[eE][-+]?[0-9]{1,3})?", cell) is not None


def _lines(text: str) -> Iterator[str]:
    # io.StringIO would hold four bytes for each character.
    return (line[0] for line in _LINE.finditer(text))
