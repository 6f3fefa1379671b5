"""Reads spreadsheets (ISO/IEC 26300 OpenDocument) as a stream, sheet by sheet.

Typed cells are read by their value, strings as they are displayed. Hidden sheets, comments and
recorded changes are not read.
"""

from __future__ import annotations

import zipfile
from io import BytesIO

from adapters.extraction.cell_text import (
    date_text,
    duration_text,
    number_in,
    number_text,
    percent_text,
    truth_text,
)
from adapters.extraction.container import check_container
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.table import TableWriter
from adapters.extraction.transcript import Transcript
from adapters.extraction.xml_parts import Attributes, PartReader, small_number
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import PROTECTED, DocumentRejected, more_than

_NAMESPACE = "{urn:oasis:names:tc:opendocument:xmlns:"
_OFFICE, _STYLE, _TABLE, _TEXT = (
    f"{_NAMESPACE}{each}:1.0}}" for each in ("office", "style", "table", "text")
)
_CELLS = frozenset({f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell"})
_SKIPPED = frozenset(
    {
        f"{_OFFICE}annotation",
        f"{_OFFICE}dde-source",
        f"{_TABLE}shapes",
        f"{_TABLE}tracked-changes",
        f"{_TABLE}dde-links",
    }
)
_BLANKS_MAX = 100


def extract_ods(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """A heading for each sheet, and a row block for each row."""
    check_container(content, limits)
    table = TableWriter(Transcript(limits), limits)
    with zipfile.ZipFile(BytesIO(content)) as container:
        manifest = _Manifest(limits)
        if "META-INF/manifest.xml" in container.namelist():
            manifest.read(container, "META-INF/manifest.xml")
        if manifest.encrypted:
            raise DocumentRejected(PROTECTED)
        _Content(limits, table).read(container, "content.xml")
    table.end()
    return table.transcript.finish("The spreadsheet has no text.")


class _Manifest(PartReader):
    encrypted = False

    def start(self, tag: str, attributes: Attributes) -> None:
        if tag == f"{_NAMESPACE}manifest:1.0}}encryption-data":
            self.encrypted = True


class _Content(PartReader):
    def __init__(self, limits: ExtractionLimits, table: TableWriter) -> None:
        super().__init__(limits)
        self._table = table
        self._skipped = 0  # depth within what is not read
        self._style = ""
        self._hidden: set[str] = set()  # styles of sheets
        self._row = self._column = 0
        self._row_repeats = self._cell_repeats = 1
        self._cells: dict[int, str] = {}
        self._value: str | None = None  # of a typed cell
        self._pieces: list[str] = []
        self._in_cell = self._in_paragraph = False

    def start(self, tag: str, attributes: Attributes) -> None:
        if self._skipped or tag in _SKIPPED:
            self._skipped += 1
        elif tag in _CELLS:
            self._begin_cell(attributes)
        elif tag == f"{_TEXT}p":
            self._in_paragraph = self._in_cell
            if self._pieces:
                self._pieces.append("\n")
        elif tag == f"{_TEXT}s":
            blanks = small_number(attributes.get(f"{_TEXT}c"), 1)
            self.data(" " * min(blanks, _BLANKS_MAX))
        elif tag in {f"{_TEXT}tab", f"{_TEXT}line-break"}:
            self.data("\n")
        elif tag == f"{_TABLE}table-row":
            repeated = attributes.get(f"{_TABLE}number-rows-repeated")
            self._row_repeats = max(1, small_number(repeated, 1))
            self._cells, self._column = {}, 0
        elif tag == f"{_TABLE}table":
            self._begin_sheet(attributes)
        elif tag == f"{_STYLE}style":
            self._style = attributes.get(f"{_STYLE}name", "")
        elif tag == f"{_STYLE}table-properties" and attributes.get(f"{_TABLE}display") == "false":
            self._hidden.add(self._style)

    def end(self, tag: str) -> None:
        if self._skipped:
            self._skipped -= 1
        elif tag in _CELLS:
            self._end_cell()
        elif tag == f"{_TEXT}p":
            self._in_paragraph = False
        elif tag == f"{_TABLE}table-row":
            for number in range(self._row + 1, self._row + self._row_repeats + 1):
                if not self._cells:
                    break
                self._table.add(number, self._cells)
            self._row += self._row_repeats

    def data(self, text: str) -> None:
        if self._in_paragraph and not self._skipped:
            self._pieces.append(text)

    def _begin_sheet(self, attributes: Attributes) -> None:
        if attributes.get(f"{_TABLE}style-name") in self._hidden:
            self._skipped = 1
            return
        self._row = 0
        self._table.begin_sheet(attributes.get(f"{_TABLE}name", ""))

    def _begin_cell(self, attributes: Attributes) -> None:
        repeated = attributes.get(f"{_TABLE}number-columns-repeated")
        self._cell_repeats = max(1, small_number(repeated, 1))
        self._value = _typed(attributes)
        self._pieces = []
        self._in_cell = True

    def _end_cell(self) -> None:
        text = self._value if self._value is not None else "".join(self._pieces)
        end = self._column + self._cell_repeats
        if text and not text.isspace():
            if end > self.limits.columns_max:
                raise more_than(self.limits.columns_max, "columns")
            self._cells.update(dict.fromkeys(range(self._column, end), text))
        self._column = end
        self._in_cell, self._pieces = False, []


def _typed(attributes: Attributes) -> str | None:
    """What a typed cell says; None for a string, which is the text within it."""
    kind = attributes.get(f"{_OFFICE}value-type")
    if kind == "date":
        return date_text(attributes.get(f"{_OFFICE}date-value", ""))
    if kind == "time":
        return duration_text(attributes.get(f"{_OFFICE}time-value", ""))
    if kind == "boolean":
        return truth_text(attributes.get(f"{_OFFICE}boolean-value") == "true")
    if kind not in {"float", "percentage", "currency"}:
        return attributes.get(f"{_OFFICE}string-value")
    value = number_in(attributes.get(f"{_OFFICE}value", ""))
    if value is None:
        return None
    if kind == "percentage":
        return percent_text(value)
    return f"{number_text(value)} {attributes.get(f'{_OFFICE}currency', '')}".rstrip()
