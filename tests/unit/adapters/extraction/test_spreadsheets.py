"""Tables: every row beside the names of its columns, with its sheet and its number.

The files are written by programs of others, so that we do not read our own habits.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from datetime import date, datetime, time, timedelta
from typing import Any

import odfdo
import openpyxl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.extraction.content_type import CSV, ODS, TSV, XLSX, media_type_of
from adapters.extraction.formats import extract_any
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.sample_sheets import container_of, ods_with, xlsx_of, xlsx_parts
from adapters.extraction.sample_sheets import xlsx_sheet as sheet_part
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import DocumentRejected

_LIMITS = ExtractionLimits()
Rows = list[list[Any]]


def _xlsx(sheets: dict[str, Rows], **formats: str) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.active)  # type: ignore[arg-type]
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cell, code in formats.items():
            sheet[cell].number_format = code
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def _ods(sheets: dict[str, Rows]) -> bytes:
    document = odfdo.Document("spreadsheet")
    document.body.clear()
    for name, rows in sheets.items():
        table = odfdo.Table(name)
        for cells in rows:
            row = odfdo.Row()
            for at, value in enumerate(cells):
                if value is not None:
                    row.set_value(at, value)
            table.append_row(row)
        document.body.append(table)
    file = io.BytesIO()
    document.save(file)
    return file.getvalue()


def _csv(rows: Rows, delimiter: str = ",") -> bytes:
    file = io.StringIO(newline="")
    csv.writer(file, delimiter=delimiter).writerows(rows)
    return file.getvalue().encode()


def _read(content: bytes, media_type: str, **limits: int) -> ExtractedText:
    return extract_any(content, media_type, ExtractionLimits(**limits))


def _rows(extracted: ExtractedText) -> list[tuple[str | None, int | None, str]]:
    return [
        (block.place.sheet, block.place.row, extracted.text[block.start : block.end])
        for block in extracted.blocks
        if block.kind == "table_row"
    ]


_TABLE: Rows = [["Item", "Price"], ["Chair", 12.5], ["Lamp", 1250], [None, None], ["Bed", 0.1]]
_SAID = [
    (1, "Item | Price"),
    (2, "Item: Chair | Price: 12.5"),
    (3, "Item: Lamp | Price: 1250"),
    (5, "Item: Bed | Price: 0.1"),
]


@pytest.mark.parametrize(
    ("content", "media_type", "sheet"),
    [
        (_xlsx({"Prices & more <é>": _TABLE}), XLSX, "Prices & more <é>"),
        (_ods({"Prices & more <é>": _TABLE}), ODS, "Prices & more <é>"),
        (_csv(_TABLE), CSV, None),
        (_csv(_TABLE, "\t"), TSV, None),
        (_csv(_TABLE, ";"), CSV, None),
    ],
    ids=["xlsx", "ods", "csv", "tsv", "semicolons"],
)
def test_every_row_says_what_its_cells_are_and_where_it_is(
    content: bytes, media_type: str, sheet: str | None
) -> None:
    assert media_type_of(content, content) == media_type
    assert _rows(_read(content, media_type)) == [(sheet, row, said) for row, said in _SAID]


def test_typed_cells_are_read_alike_from_excel_and_opendocument() -> None:
    rows: Rows = [
        ["Day", "At", "Took", "Done", "Count"],
        [
            date(2026, 2, 3),
            datetime.fromisoformat("2026-02-03T10:05"),
            timedelta(hours=26, minutes=5),
            True,
            3,
        ],
    ]
    said = "Day: 2026-02-03 | At: 2026-02-03 10:05 | Took: 26:05 | Done: TRUE | Count: 3"
    for content, media_type in ((_xlsx({"S": rows}), XLSX), (_ods({"S": rows}), ODS)):
        assert _rows(_read(content, media_type))[1][2] == said


def test_dates_times_and_percentages_are_known_by_their_number_format() -> None:
    formats = {
        "A2": "0.0%", "B2": "[$-407]d. mmmm yyyy", "C2": "h:mm", "D2": '#,##0 "days"', "E2": "[h]",
        "F2": "0%;[Red]-0%",
    }  # fmt: skip
    row: Rows = [list("abcdef"), [0.255, 45_000, 0.5, 3, 1.5, -0.05]]
    said = "a: 25.5% | b: 2023-03-15 | c: 12:00 | d: 3 | e: 36:00 | f: -5%"
    assert _rows(_read(_xlsx({"S": row}, **formats), XLSX))[1][2] == said


def test_days_are_counted_as_the_workbook_says() -> None:
    rows: Rows = [["a", "b", "c"], [date(1900, 1, 5), date(1900, 3, 1), time(9, 30)]]
    assert (
        _rows(_read(_xlsx({"S": rows}), XLSX))[1][2] == "a: 1900-01-05 | b: 1900-03-01 | c: 09:30"
    )
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    book.active.append([date(1904, 1, 2)])  # type: ignore[union-attr]
    file = io.BytesIO()
    book.save(file)
    assert _rows(_read(file.getvalue(), XLSX)) == [("Sheet", 1, "1904-01-02")]


def test_titles_stand_before_the_names_and_strange_rows_have_none() -> None:
    rows: Rows = [["Price list"], [], ["Item", "2025", "2026"], ["Chair", 1, 2], ["", "", "", "x"]]
    assert [said for _, _, said in _rows(_read(_xlsx({"S": rows}), XLSX))] == [
        "Price list", "Item | 2025 | 2026", "Item: Chair | 2025: 1 | 2026: 2", "x",
    ]  # fmt: skip
    for first in ([1, 2, 3], ["a", "a", "b"], ["2026-01-01", "x", "7"], ["x" * 101, "b", "c"]):
        rows = [first, [4, 5, 6]]
        assert _rows(_read(_xlsx({"S": rows}), XLSX))[1][2] == "4 | 5 | 6"


def test_hidden_sheets_formulas_without_a_value_and_errors_are_left_out() -> None:
    book = openpyxl.Workbook()
    seen = book.active
    assert seen is not None
    seen["A1"], seen["A2"], seen["A3"] = "seen", "=A1", "#DIV/0!"
    hidden = book.create_sheet("Hidden")
    hidden["A1"], hidden.sheet_state = "secret", "hidden"
    file = io.BytesIO()
    book.save(file)
    assert _rows(_read(file.getvalue(), XLSX)) == [("Sheet", 1, "seen")]

    hiding = (
        '<style:style style:name="h"><style:table-properties table:display="false"/></style:style>'
    )
    cell = '<table:table-cell office:value-type="string"><text:p>{}</text:p></table:table-cell>'
    row = "<table:table-row>{}</table:table-row>"
    noted = cell.format("seen<office:annotation><text:p>note</text:p></office:annotation>")
    content = ods_with(
        "<table:tracked-changes>" + row.format(cell.format("old")) + "</table:tracked-changes>"
        '<table:table table:name="H" table:style-name="h">' + row.format(cell.format("secret"))
        + '</table:table><table:table table:name="S">' + row.format(noted) + "</table:table>",
        hiding,
    )  # fmt: skip
    assert _rows(_read(content, ODS)) == [("S", 1, "seen")]


def test_shared_strings_keep_their_runs_and_leave_out_readings() -> None:
    parts = xlsx_parts({"S": [["x"]]})
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    parts["xl/sharedStrings.xml"] = (
        f"<sst {main}><si><r><t>東</t></r><r><t>京_x000D_</t></r><rPh><t>トウ</t></rPh></si></sst>"
    )
    parts["xl/_rels/workbook.xml.rels"] = parts["xl/_rels/workbook.xml.rels"].replace(
        "</Relationships>",
        '<Relationship Id="r2" Type="x/sharedStrings" Target="/xl/sharedStrings.xml"/>'
        "</Relationships>",
    )
    parts["xl/worksheets/sheet1.xml"] = sheet_part(
        '<row r="4"><c r="C4" t="s"><v>0</v></c><c t="s"><v>7</v></c><c><v>nan</v></c></row>'
    )
    assert _rows(_read(container_of(parts), XLSX)) == [("S", 4, "東京 | nan")]


def test_a_cell_far_away_costs_nothing() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"], sheet["XFD1048576"] = "near", "far"
    file = io.BytesIO()
    book.save(file)
    found = _rows(_read(file.getvalue(), XLSX))
    assert found == [("Sheet", 1, "near"), ("Sheet", 1_048_576, "far")]


def test_repeated_cells_and_rows_are_written_out_where_they_say_something() -> None:
    cell = '<table:table-cell table:number-columns-repeated="{}" office:value-type="string">{}{}'
    said = cell.format(2, "<text:p>x</text:p>", "</table:table-cell>")
    empty = cell.format(16_382, "", "</table:table-cell>")
    rows = f'<table:table-row table:number-rows-repeated="2">{said}{empty}</table:table-row>'
    blank = f'<table:table-row table:number-rows-repeated="1048574">{empty}</table:table-row>'
    content = ods_with(f'<table:table table:name="S">{rows}{blank}{rows}</table:table>')
    numbers = [row for _, row, said in _rows(_read(content, ODS)) if said == "x | x"]
    assert numbers == [1, 2, 1_048_577, 1_048_578]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        ({"rows_max": 4}, "more than 4 rows"),
        ({"cells_max": 9}, "more than 9 cells"),
        ({"columns_max": 2}, "more than 2 columns"),
        ({"cell_characters_max": 19}, "more than 19 characters in one cell"),
        ({"text_bytes_max": 100}, "MiB of text"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [XLSX, ODS, CSV])
def test_each_limit_of_tables_has_its_reason(
    kind: str, limits: dict[str, int], reason: str
) -> None:
    rows: Rows = [["a", "b", "c"], *[["x" * 20, "y", "z"]] * 4]
    content = {XLSX: _xlsx({"S": rows}), ODS: _ods({"S": rows}), CSV: _csv(rows)}[kind]
    assert len(_rows(_read(content, kind))) == 5
    with pytest.raises(DocumentRejected, match=reason):
        _read(content, kind, **limits)


@pytest.mark.parametrize("kind", [XLSX, ODS])
def test_sheets_and_elements_are_limited(kind: str) -> None:
    sheets: dict[str, Rows] = {name: [["x"]] for name in "abc"}
    content = _xlsx(sheets) if kind == XLSX else _ods(sheets)
    with pytest.raises(DocumentRejected, match="more than 2 sheets"):
        _read(content, kind, sheets_max=2)
    with pytest.raises(DocumentRejected, match="more than 5 elements"):
        _read(content, kind, elements_max=5)


def test_an_encrypted_spreadsheet_says_so() -> None:
    manifest = (
        '<m:manifest xmlns:m="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><m:file-entry>'
        "<m:encryption-data/></m:file-entry></m:manifest>"
    )
    content = container_of(
        {"mimetype": ODS, "content.xml": "\x00", "META-INF/manifest.xml": manifest}
    )
    assert media_type_of(content, content) == ODS
    with pytest.raises(DocumentRejected, match="password"):
        _read(content, ODS)


def test_a_workbook_without_its_parts_is_damaged() -> None:
    whole = xlsx_parts({"S": [["x"]]})
    for missing in ("_rels/.rels", "xl/workbook.xml", "xl/worksheets/sheet1.xml"):
        parts = {name: part for name, part in whole.items() if name != missing}
        with pytest.raises(DocumentRejected, match="damaged"):
            _read(container_of(parts), XLSX)
    with pytest.raises(DocumentRejected, match="no text"):
        _read(xlsx_of({"S": []}), XLSX)
    content = bytearray(xlsx_of({"S": [["x"]]}))
    content[content.index(b"[Content_Types].xml") + 19] ^= 0xFF  # where it begins to be packed
    with pytest.raises(DocumentRejected, match="The document is damaged"):
        _read(bytes(content), XLSX)


def test_quotes_breaks_and_blanks_of_csv_are_understood() -> None:
    content = '\ufeffName,Said\r\nAda,"a ""b"", c\r\nd"\r\n\r\nBob, x \r\n'.encode()
    assert media_type_of(content, content) == CSV
    assert _rows(_read(content, CSV)) == [
        (None, 1, "Name | Said"),
        (None, 2, 'Name: Ada | Said: a "b", c d'),
        (None, 4, "Name: Bob | Said: x"),
    ]
    assert _rows(_read("a\tb\n1\té\n".encode("utf-16"), TSV))[1][2] == "a: 1 | b: é"


_CELLS = st.text(
    st.characters(codec="utf-8", exclude_characters="\x00", categories=["L", "N", "P", "Zs"]),
    max_size=20,
)


@given(st.lists(st.lists(_CELLS, min_size=2, max_size=4), min_size=1, max_size=6))
@example([["0", "A"]])
@example([["1_0", "\N{TIRHUTA DIGIT ZERO}"]])
@example([["nan", "infinity"]])
def test_no_cell_is_lost_whatever_it_holds(rows: list[list[str]]) -> None:
    rows = [["first", "second"], *rows]
    for content, kind in (
        (_csv(rows), CSV), (xlsx_of({"S": rows}), XLSX), (_csv(rows, "\t"), TSV),
    ):  # fmt: skip
        text = _read(content, kind).text
        for cell in (cell for row in rows for cell in row):
            assert " ".join(unicodedata.normalize("NFC", cell).split()).strip("0") in text
