"""Reads Excel workbooks (ISO/IEC 29500 SpreadsheetML) as a stream, sheet by sheet.

Formulas are read as the values that they had when the workbook was saved. Hidden sheets are not
read, as nothing hidden is.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from io import BytesIO

from adapters.extraction.cell_text import (
    CellKind,
    cell_kind,
    date_text,
    number_in,
    number_text,
    percent_text,
    serial_text,
    truth_text,
)
from adapters.extraction.container import check_container
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.table import TableWriter
from adapters.extraction.transcript import Transcript
from adapters.extraction.xml_parts import Attributes, PartReader, local, small_number
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import DAMAGED, DocumentRejected, more_bytes_than, more_than

_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS_STRICT = "http://purl.oclc.org/ooxml/officeDocument/relationships"
_REFERENCE = re.compile(r"([A-Z]{1,3})[0-9]{1,7}")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_STYLES_MAX = 65_536  # Excel has 65,490 at most
_PERCENT = "0%"
# Number formats that are not written out (18.8.30), as far as they say dates or percentages.
_BUILT_IN = {
    **dict.fromkeys((9, 10), _PERCENT),
    **dict.fromkeys((*range(14, 18), *range(27, 32), 36, *range(50, 59)), "yyyy-mm-dd"),
    **dict.fromkeys((*range(18, 22), *range(32, 36), 45, 47), "hh:mm:ss"),
    22: "yyyy-mm-dd hh:mm",
    46: "[h]:mm:ss",
}


def extract_xlsx(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """A heading for each sheet, and a row block for each row."""
    check_container(content, limits)
    table = TableWriter(Transcript(limits), limits)
    with zipfile.ZipFile(BytesIO(content)) as container:
        book = _Book(limits)
        book.open(container)
        for name, part in book.sheets():
            table.begin_sheet(name)
            book.sheet(table).read(container, part)
        table.end()
    return table.transcript.finish("The workbook has no text.")


class _Book:
    """What the sheets of a workbook share."""

    def __init__(self, limits: ExtractionLimits) -> None:
        self._limits = limits
        self._workbook = _Workbook(limits)
        self._parts: dict[str, tuple[str, str]] = {}
        self.strings: list[str] = []
        self.formats: list[tuple[CellKind, str]] = []

    def open(self, container: zipfile.ZipFile) -> None:
        package = _relations(container, "", self._limits)
        found = [part for kind, part in package.values() if kind == "officeDocument"]
        if not found:
            raise DocumentRejected(DAMAGED)
        self._workbook.read(container, found[0])
        self._parts = _relations(container, found[0], self._limits)
        for kind, part in self._parts.values():
            if kind == "sharedStrings":
                strings = _Strings(self._limits)
                strings.read(container, part)
                self.strings = strings.found
            elif kind == "styles":
                styles = _Styles(self._limits)
                styles.read(container, part)
                self.formats = styles.formats()

    def sheets(self) -> list[tuple[str, str]]:
        """The names and parts of those that are seen, in order. Charts are no sheets here."""
        return [
            (name, self._parts[relation][1])
            for name, relation in self._workbook.sheets
            if relation in self._parts and self._parts[relation][0] == "worksheet"
        ]

    def sheet(self, table: TableWriter) -> _Sheet:
        return _Sheet(self._limits, self, table)

    def text_of(self, kind: str, style: int, written: str) -> str:
        """What a cell of this type and style says."""
        if kind == "s":
            at = small_number(written.strip(), -1)
            return self.strings[at] if 0 <= at < len(self.strings) else ""
        if kind in {"str", "inlineStr"}:
            return _unescaped(written)
        if kind == "b":
            return truth_text(written.strip() == "1")
        if kind == "d":
            return date_text(written.strip())
        return "" if kind == "e" else self._number(style, written)

    def _number(self, style: int, written: str) -> str:
        value = number_in(written)
        if value is None:
            return written
        kind, code = self.formats[style] if style < len(self.formats) else (CellKind.NUMBER, "")
        if kind is CellKind.DATE:
            return serial_text(value, code, since_1904=self._workbook.since_1904)
        return percent_text(value) if kind is CellKind.PERCENT else number_text(value)


class _Workbook(PartReader):
    def __init__(self, limits: ExtractionLimits) -> None:
        super().__init__(limits)
        self.sheets: list[tuple[str, str]] = []
        self.since_1904 = False

    def start(self, tag: str, attributes: Attributes) -> None:
        name = local(tag)
        if name == "workbookPr":
            self.since_1904 = attributes.get("date1904") in {"1", "true"}
        elif name == "sheet" and attributes.get("state", "visible") == "visible":
            relation = attributes.get(f"{{{_RELATIONS}}}id")
            relation = relation or attributes.get(f"{{{_RELATIONS_STRICT}}}id")
            self.sheets.append((attributes.get("name", ""), relation or ""))
            if len(self.sheets) > self.limits.sheets_max:
                raise more_than(self.limits.sheets_max, "sheets")


class _Relations(PartReader):
    def __init__(self, limits: ExtractionLimits, directory: str) -> None:
        super().__init__(limits)
        self.found: dict[str, tuple[str, str]] = {}
        self._directory = directory

    def start(self, tag: str, attributes: Attributes) -> None:
        if local(tag) != "Relationship" or attributes.get("TargetMode") == "External":
            return
        kind = attributes.get("Type", "").rpartition("/")[2]
        target = posixpath.join("/", self._directory, attributes.get("Target", ""))
        self.found[attributes.get("Id", "")] = (kind, posixpath.normpath(target).lstrip("/"))
        if len(self.found) > self.limits.archive_members_max:
            raise more_than(self.limits.archive_members_max, "parts", holder="file")


def _relations(
    container: zipfile.ZipFile, part: str, limits: ExtractionLimits
) -> dict[str, tuple[str, str]]:
    """What a part, or the package where it is "", refers to: kinds and parts by id."""
    directory, _, name = part.rpartition("/")
    relations = _Relations(limits, directory)
    relations.read(container, posixpath.join(directory, "_rels", f"{name}.rels"))
    return relations.found


class _Strings(PartReader):
    """Strings that cells refer to by number, without the readings of Japanese ones."""

    def __init__(self, limits: ExtractionLimits) -> None:
        super().__init__(limits)
        self.found: list[str] = []
        self._pieces: list[str] = []
        self._characters = 0
        self._in_text = self._in_reading = False

    def start(self, tag: str, attributes: Attributes) -> None:
        name = local(tag)
        if name == "si":
            self._pieces = []
        elif name == "rPh":
            self._in_reading = True
        elif name == "t":
            self._in_text = not self._in_reading

    def end(self, tag: str) -> None:
        name = local(tag)
        if name == "t":
            self._in_text = False
        elif name == "rPh":
            self._in_reading = False
        elif name == "si":
            self.found.append(_unescaped("".join(self._pieces)))

    def data(self, text: str) -> None:
        if self._in_text:
            self._pieces.append(text)
            self._characters += len(text)
            if self._characters > self.limits.text_bytes_max:
                raise more_bytes_than(self.limits.text_bytes_max)


class _Styles(PartReader):
    """The number format of each style of cells."""

    def __init__(self, limits: ExtractionLimits) -> None:
        super().__init__(limits)
        self._codes: dict[int, str] = {}
        self._numbers: list[int] = []
        self._in_cells = False

    def formats(self) -> list[tuple[CellKind, str]]:
        """By the number of the style."""
        codes = {**_BUILT_IN, **self._codes}
        kinds = {number: (cell_kind(code), code) for number, code in codes.items()}
        return [kinds.get(number, (CellKind.NUMBER, "")) for number in self._numbers]

    def start(self, tag: str, attributes: Attributes) -> None:
        name = local(tag)
        if name == "numFmt":
            code = attributes.get("formatCode", "")
            self._codes[small_number(attributes.get("numFmtId"), 0)] = code[:255]
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            self._numbers.append(small_number(attributes.get("numFmtId"), 0))
        if max(len(self._codes), len(self._numbers)) > _STYLES_MAX:
            raise more_than(_STYLES_MAX, "styles")

    def end(self, tag: str) -> None:
        if local(tag) == "cellXfs":
            self._in_cells = False


class _Sheet(PartReader):
    def __init__(self, limits: ExtractionLimits, book: _Book, table: TableWriter) -> None:
        super().__init__(limits)
        self._book, self._table = book, table
        self._row, self._column = 0, -1
        self._cells: dict[int, str] = {}
        self._kind, self._style = "", 0
        self._pieces: list[str] = []
        self._in_value = self._in_reading = False

    def start(self, tag: str, attributes: Attributes) -> None:
        name = local(tag)
        if name == "c":
            self._column = _column(attributes.get("r"), self._column + 1)
            if self._column >= self.limits.columns_max:
                raise more_than(self.limits.columns_max, "columns")
            self._kind = attributes.get("t", "n")
            self._style = small_number(attributes.get("s"), 0)
            self._pieces = []
        elif name == "v" or name == "t":
            self._in_value = not self._in_reading
        elif name == "row":
            self._row = max(small_number(attributes.get("r"), self._row + 1), self._row + 1)
            self._column, self._cells = -1, {}
        elif name == "rPh":
            self._in_reading = True

    def end(self, tag: str) -> None:
        name = local(tag)
        if name == "c":
            if self._pieces:
                text = self._book.text_of(self._kind, self._style, "".join(self._pieces))
                if text and not text.isspace():
                    self._cells[self._column] = text
        elif name == "v" or name == "t":
            self._in_value = False
        elif name == "row":
            self._table.add(self._row, self._cells)
        elif name == "rPh":
            self._in_reading = False

    def data(self, text: str) -> None:
        if self._in_value:
            self._pieces.append(text)


def _column(reference: str | None, default: int) -> int:
    """From 0; the default where the cell does not say its place."""
    found = None if reference is None else _REFERENCE.fullmatch(reference)
    if found is None:
        return default
    column = 0
    for letter in found[1]:
        column = column * 26 + ord(letter) - 64
    return column - 1


def _unescaped(text: str) -> str:
    """Characters that XML cannot hold are written _x000D_."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text
