"""The smallest spreadsheets that programs for spreadsheets open."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from io import BytesIO
from xml.sax.saxutils import escape, quoteattr

Sheets = Mapping[str, Sequence[Sequence[str]]]
"""Rows of cells by the names of sheets; a cell of digits alone is a number."""

_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_TYPES = (
    f'<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
    'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Default Extension="xml" ContentType="{_TYPE}.worksheet+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/></Types>'
)
_ODS = "application/vnd.oasis.opendocument.spreadsheet"
_SPACES = "".join(
    f' xmlns:{each}="urn:oasis:names:tc:opendocument:xmlns:{each}:1.0"'
    for each in ("office", "style", "table", "text")
)


def xlsx_of(sheets: Sheets) -> bytes:
    """A workbook for Excel."""
    return container_of(xlsx_parts(sheets))


def xlsx_parts(sheets: Sheets) -> dict[str, str]:
    """The parts of such a workbook by their names."""
    names = list(enumerate(sheets, start=1))
    listed = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{at}" r:id="r{at}"/>' for at, name in names
    )
    book = f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>'
    return {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": _relations({"r1": ("officeDocument", "xl/workbook.xml")}),
        "xl/workbook.xml": book,
        "xl/_rels/workbook.xml.rels": _relations(
            {f"r{at}": ("worksheet", f"worksheets/sheet{at}.xml") for at, _ in names}
        ),
        **{
            f"xl/worksheets/sheet{at}.xml": xlsx_sheet(
                "".join(f"<row>{''.join(map(_xlsx_cell, row))}</row>" for row in sheets[name])
            )
            for at, name in names
        },
    }


def xlsx_sheet(rows: str) -> str:
    """The part of a sheet with these rows."""
    return f'<worksheet xmlns="{_MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def ods_of(sheets: Sheets) -> bytes:
    """An OpenDocument spreadsheet."""
    return ods_with(
        "".join(
            f"<table:table table:name={quoteattr(name)}>"
            + "".join(f"<table:table-row>{''.join(map(_ods_cell, row))}</table:table-row>"
                      for row in rows)
            + "</table:table>"
            for name, rows in sheets.items()
        )
    )  # fmt: skip


def ods_with(tables: str, styles: str = "") -> bytes:
    """An OpenDocument spreadsheet with these tables."""
    content = (
        f'<office:document-content{_SPACES} office:version="1.3">'
        f"<office:automatic-styles>{styles}</office:automatic-styles><office:body>"
        f"<office:spreadsheet>{tables}</office:spreadsheet></office:body>"
        "</office:document-content>"
    )
    return container_of({"mimetype": _ODS, "content.xml": content})


def container_of(parts: Mapping[str, str | bytes]) -> bytes:
    """A ZIP container of these parts, in this order."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w") as container:
        for name, content in parts.items():
            packing = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            container.writestr(name, content, packing)
    return file.getvalue()


def _relations(found: Mapping[str, tuple[str, str]]) -> str:
    listed = "".join(
        f'<Relationship Id="{name}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for name, (kind, target) in found.items()
    )
    return f'<Relationships xmlns="{_PACKAGE}/relationships">{listed}</Relationships>'


def _xlsx_cell(text: str) -> str:
    if text.isdecimal():
        return f"<c><v>{text}</v></c>"
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(text)}</t></is></c>'


def _ods_cell(text: str) -> str:
    kind = f'"float" office:value="{text}"' if text.isdecimal() else '"string"'
    said = f"<text:p>{escape(text)}</text:p>"
    return f"<table:table-cell office:value-type={kind}>{said}</table:table-cell>"
