"""What each format's reader keeps, drops, and refuses."""

from __future__ import annotations

import struct
import zipfile
from datetime import date
from io import BytesIO
from typing import Any

import docx
import msgspec
import pptx
import pytest
from docx.oxml import parse_xml
from hypothesis import given
from hypothesis import strategies as st
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.opc.package import Part
from pptx.opc.packuri import PackURI

from adapters.extraction.container import check_container
from adapters.extraction.content_type import DOCX, HTML, MARKDOWN, PDF, PLAIN_TEXT, PPTX
from adapters.extraction.formats import extract_any
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.samples import pdf_drawn, pdf_of, samples
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import DocumentRejected

_LIMITS = ExtractionLimits()
_M = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
_A = b'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
_DIAGRAM = (
    '<p:graphicFrame xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><p:nvGraphicFramePr>'
    '<p:cNvPr id="9" name="d"/><p:cNvGraphicFramePr/><p:nvPr/></p:nvGraphicFramePr><p:xfrm>'
    '<a:off x="0" y="9000000"/><a:ext cx="9" cy="9"/></p:xfrm><a:graphic><a:graphicData'
    ' uri="http://schemas.openxmlformats.org/drawingml/2006/diagram"><dgm:relIds'
    ' xmlns:dgm="http://schemas.openxmlformats.org/drawingml/2006/diagram" xmlns:r='
    '"http://schemas.openxmlformats.org/officeDocument/2006/relationships" r:dm="{}"/>'
    "</a:graphicData></a:graphic></p:graphicFrame>"
)
_IN_BOX = "<w:txbxContent><w:p><w:r><w:t>box</w:t></w:r></w:p></w:txbxContent>"
# As Word writes it: the same once for itself, and once for programs from before 2010.
_BOX = (
    '<w:r xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    ' xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"'
    ' xmlns:wps="http://schemas.microsoft.com/office/word/2010/wordprocessingShape"'
    f' xmlns:v="urn:schemas-microsoft-com:vml"><mc:AlternateContent><mc:Choice Requires="wps">'
    f"<w:drawing><wps:txbx>{_IN_BOX}</wps:txbx></w:drawing></mc:Choice><mc:Fallback><w:pict>"
    f"<v:textbox>{_IN_BOX}</v:textbox></w:pict></mc:Fallback></mc:AlternateContent></w:r>"
)


def _extract(content: bytes | str, media_type: str) -> ExtractedText:
    raw = content.encode() if isinstance(content, str) else content
    return extract_any(raw, media_type, _LIMITS)


def _words(document: Any, media_type: str) -> list[str]:
    """Of each block of what python-docx or python-pptx made."""
    file = BytesIO()
    document.save(file)
    return [words for _, _, words in _blocks(_extract(file.getvalue(), media_type))]


def _blocks(extracted: ExtractedText) -> list[tuple[str, int, str]]:
    text = extracted.text
    return [(b.kind.value, b.level, text[b.start : b.end]) for b in extracted.blocks]


def test_markdown_loses_its_markup_and_keeps_its_structure() -> None:
    source = (
        "---\ntitle: t\n---\n# One *two*\n\nSome `code_x` and [a link](https://x.org)\nmore a_b_c."
        "\n\n- a\n  - **b**\n\n1. c\n\n| h | i |\n|---|---|\n| 1 | 2 |\n\n```py\nx  = 1\n```\n"
    )
    assert _blocks(_extract(source, MARKDOWN)) == [
        ("code", 0, "title: t"),
        ("heading", 1, "One two"),
        ("paragraph", 0, "Some code_x and a link more a_b_c."),
        ("list_item", 1, "a"),
        ("list_item", 2, "b"),
        ("list_item", 1, "c"),
        ("table_row", 0, "h | i"),
        ("table_row", 0, "1 | 2"),
        ("code", 0, "x  = 1"),
    ]


def test_markdown_leaves_out_what_its_html_hides() -> None:
    source = "# One\n\n<script>\nalert(1 < 2)\n</script>\n\n<!-- a\n> b -->\n\n<p>two</p>\n"
    assert _blocks(_extract(source, MARKDOWN)) == [
        ("heading", 1, "One"),
        ("paragraph", 0, "two"),
    ]


def test_markdown_in_many_sections_loses_nothing() -> None:
    source = "".join(
        f"## Part {n}\n\nword{n} and more.\n\n```\n# {n}\n```\n\n" for n in range(6_000)
    )
    extracted = _extract(source, MARKDOWN)
    assert sum(kind == "heading" for kind, _, _ in _blocks(extracted)) == 6_000
    assert all(f"word{n} " in extracted.text for n in range(0, 6_000, 97))


def test_html_is_read_as_it_is_seen() -> None:
    source = """<html><head><title>T</title><style>p{}</style></head><body><nav>Home</nav>
    <h2>One <b>two</b></h2><script>x()</script><p hidden>no</p><p style="display: none">no</p>
    <p>a &amp; b<br>c</p><ul><li>d<ul><li>e</li></ul></li></ul>
    <table><tr><th>h</th><th>i</th></tr><tr><td>1</td><td><p>2</p><p>3</p></td></tr></table>
    <pre>x
  y</pre><div aria-hidden="true">no</div><footer>no</footer></body></html>"""
    assert _blocks(_extract(source, HTML)) == [
        ("heading", 1, "T"),
        ("heading", 2, "One two"),
        ("paragraph", 0, "a & b\nc"),
        ("list_item", 1, "d"),
        ("list_item", 2, "e"),
        ("table_row", 0, "h | i"),
        ("table_row", 0, "1 | 2 3"),
        ("code", 0, "x\n  y"),
    ]


def test_html_may_be_nested_as_deeply_as_browsers_show_it() -> None:
    assert _extract("<div>" * 500 + "deep", HTML).text == "deep"


@pytest.mark.parametrize(
    "page",
    [
        "<div>" * 100_000 + "deep",
        "<DIV\n class='a'>" * 600 + "deep",
        "<i><b>" * 300 + "</u></u>" * 300,  # none of them ends what was begun
        "<div><!-- </div> -->" * 600 + "deep",
    ],
    ids=["plain", "written otherwise", "ended by others", "ended in comments"],
)
def test_html_that_is_nested_deeper_is_rejected(page: str) -> None:
    with pytest.raises(DocumentRejected, match="more than 512 levels deep"):
        _extract(page, HTML)


def test_html_that_is_long_and_leaves_out_end_tags_is_not_deep() -> None:
    items = "<ul>" + "<li>one<br>" * 5_000 + "</ul>"
    table = "<table>" + "<tr><td>1<td>2" * 5_000 + "</table>"
    words = "<p>A <b>word</b>.<img src='a'><hr/>" * 5_000
    assert _extract(f"<!doctype html>{items}{table}{words}<!-- {'<div>' * 5_000}", HTML).text


def test_pdf_keeps_pages_joins_lines_and_leaves_page_numbers_out() -> None:
    pages = [
        ["A line that is as long as all the", "others of this paragraph.", str(n)] for n in (1, 2)
    ]
    extracted = _extract(pdf_of(pages), PDF)
    assert [block.place.page for block in extracted.blocks] == [1, 2]
    assert extracted.text.split("\n\n")[0] == (
        "A line that is as long as all the others of this paragraph."
    )


def test_pdf_parts_the_cells_of_a_row_and_keeps_its_last_number() -> None:
    rows = [["Name", "City", "Age"], ["Ada Rao", "London", "36"], ["Bob", "Paris", "40"]]
    drawn = [
        (72 + 90 * column, 700 - 16 * row, cell)
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
    ]
    drawn[:0] = [(72, 740, "A line with a gap      of its own is one line.")]
    read = _blocks(_extract(pdf_drawn(drawn), PDF))
    assert read[1:] == [("table_row", 0, " | ".join(row)) for row in rows]
    assert read[0] == ("paragraph", 0, "A line with a gap of its own is one line.")


def test_pdf_reads_a_page_that_lies_on_its_side_as_it_is_shown() -> None:
    rows = [["Name", "City", "Age"], ["Ada Rao", "London", "36"], ["Bob", "Paris", "40"]]
    drawn = [
        (100.0 + 16 * row, 72.0 + 90 * column, cell)
        for row, cells in enumerate(rows)
        for column, cell in enumerate(cells)
    ]
    said = _blocks(_extract(pdf_drawn(drawn, turned=90), PDF))
    assert said == [("table_row", 0, " | ".join(row)) for row in rows]


def test_pdf_has_what_was_typed_into_its_form_beside_the_labels() -> None:
    labels = [(72.0, 700.0, "Name:"), (72.0, 680.0, "City:"), (72.0, 660.0, "The end.")]
    widget = "<< /Type /Annot /Subtype /Widget /FT /Tx /T (f{0}) {1} /Rect [200 {2} 400 {3}] >>"
    typed = [
        widget.format(1, "/V (Ada)", 696, 714),
        widget.format(2, "/V <FEFF004B00F6006C006E>", 676, 694),
        widget.format(3, "/Ff 8192 /V (a password)", 600, 618),
        widget.format(4, "/F 2 /V (hidden)", 580, 598),
        "<< /Type /Annot /Subtype /FreeText /Contents (Laid over) /Rect [72 500 400 518] >>",
        "<< /Type /Annot /Subtype /Text /Contents (a note) /Rect [72 400 92 420] >>",
    ]
    fields = " ".join(f"{number} 0 R" for number in range(6, 6 + len(typed)))
    added = "".join(f"{number} 0 obj\n{each}\nendobj\n" for number, each in enumerate(typed, 6))
    content = (  # PDFium finds the objects again where the table of their places is wrong
        pdf_drawn(labels)
        .replace(b"/Catalog", f"/Catalog /AcroForm << /Fields [{fields}] >>".encode())
        .replace(b"/Rotate 0", f"/Annots [{fields}]".encode())
        .replace(b"xref\n0", f"{added}xref\n0".encode())
    )
    assert [words for _, _, words in _blocks(_extract(content, PDF))] == [
        "Name: | Ada",
        "City: | Köln",
        "The end.",
        "Laid over",
    ]
    less = msgspec.structs.replace(_LIMITS, text_bytes_max=30)
    with pytest.raises(DocumentRejected, match="MiB of text"):
        extract_any(content, PDF, less)


LEFT = ["A first column begins here with words", "that go on and on until they end at its"]
LEFT += ["foot, where nobody would look for them", "since all eyes rest upon its neighbour"]
LEFT += ["which is to the right of it.", "And so it ends, with one line more."]
RIGHT = ["Beside it stands a second one that is", "about other things and should never be"]
RIGHT += ["mixed with what the first one has said", "because then no sentence would be whole"]
RIGHT += ["nor would it make any sense."]


def test_pdf_reads_columns_one_after_the_other_also_where_they_are_drawn_row_by_row() -> None:
    place = [(72, LEFT), (320, RIGHT)]
    drawn = [
        (x, 700 - 14 * row, column[row])
        for row in range(len(LEFT))
        for x, column in place
        if row < len(column)
    ]
    text = " ".join(_extract(pdf_drawn(drawn), PDF).text.replace("|", " ").split())
    assert " ".join(LEFT) in text
    assert text.endswith(" ".join(RIGHT))


def test_pdf_leaves_out_what_every_page_has_beside_its_number() -> None:
    said = ["Cedar is here.", "Granite is here.", "Copper is here.", "Barley is here."]
    pages = [
        [(72, 760, "Report"), (500, 760, str(page)), (72, 700, words)]
        for page, words in enumerate(said, start=1)
    ]
    assert _extract(pdf_drawn(*pages), PDF).text == "\n\n".join(said)


def test_a_pdf_without_text_is_refused_with_the_reason() -> None:
    with pytest.raises(DocumentRejected, match="scanned pages are not read yet"):
        _extract(pdf_of([[]]), PDF)


def test_a_pdf_with_too_many_pages_is_refused() -> None:
    with pytest.raises(DocumentRejected, match="more than 3 pages"):
        extract_any(pdf_of([["x"]] * 4), PDF, ExtractionLimits(pages_max=3))


def test_docx_keeps_order_headings_lists_and_tables() -> None:
    document = docx.Document()
    document.add_heading("One", level=2)
    document.add_paragraph("before")
    table = document.add_table(rows=1, cols=2)
    table.cell(0, 0).text, table.cell(0, 1).text = "a", "b"
    document.add_paragraph("item", style="List Number")
    file = BytesIO()
    document.save(file)
    assert _blocks(_extract(file.getvalue(), DOCX)) == [
        ("heading", 2, "One"),
        ("paragraph", 0, "before"),
        ("table_row", 0, "a | b"),
        ("list_item", 1, "item"),
    ]


def test_docx_reads_what_is_seen_once() -> None:
    document = docx.Document()
    shown = document.add_paragraph("Seen ")
    shown.add_run("hidden").font.hidden = True
    shown.add_run("again ").font.hidden = False
    shown._p.append(parse_xml(f"<m:oMath {_M}><m:r><m:t>E=mc</m:t></m:r></m:oMath>"))
    cell = document.add_table(rows=1, cols=1).cell(0, 0)
    cell.text = "Cell"
    cell.paragraphs[0]._p.append(parse_xml(_BOX))
    cell.add_table(rows=1, cols=1).cell(0, 0).text = "within"
    document.add_paragraph("With")._p.append(parse_xml(_BOX))
    assert _words(document, DOCX) == [
        "Seen again E=mc",
        "Cell box within",
        "With",
        "box",
    ]


def test_pptx_has_the_words_of_charts_and_diagrams() -> None:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[5])
    slide.shapes.title.text = "Sales"
    data = CategoryChartData()
    data.categories = ["East", "West"]
    data.add_series("May", (1, 2.5))
    by_day = CategoryChartData()
    by_day.categories = [date(2026, 1, 31)]
    by_day.add_series("Days", (7,))
    for at, (kind, each) in enumerate(
        [(XL_CHART_TYPE.COLUMN_CLUSTERED, data), (XL_CHART_TYPE.LINE, by_day)]
    ):
        chart = slide.shapes.add_chart(kind, 0, at * 900_000, 9_000, 9_000, each).chart
        chart.chart_title.text_frame.text = f"Chart {at}"
    for number, blob in enumerate((b"<a:p %s><a:r><a:t>Plan</a:t></a:r></a:p>" % _A, b"<broken")):
        uri = PackURI(f"/ppt/diagrams/data{number}.xml")
        part = Part(uri, "application/xml", slide.part.package, blob)
        related = slide.part.relate_to(part, "urn:data")
        slide.shapes._spTree.append(parse_xml(_DIAGRAM.format(related)))
    assert _words(presentation, PPTX) == [
        "Sales",
        "Chart 0",
        "May | East: 1 | West: 2.5",
        "Chart 1",
        "Days | 2026-01-31: 7",
        "Plan",
    ]


@given(st.text(max_size=200))
def test_plain_text_loses_only_what_cannot_be_seen(text: str) -> None:
    content = text.encode("utf-8", "replace")
    try:
        extracted = _extract(content, PLAIN_TEXT)
    except DocumentRejected:
        return
    assert not any(ord(c) < 32 and c not in "\t\n" for c in extracted.text)
    assert "\r" not in extracted.text


def test_too_much_text_is_refused() -> None:
    with pytest.raises(DocumentRejected, match="MiB of text"):
        extract_any(b"a" * 3_000_000, PLAIN_TEXT, ExtractionLimits(text_bytes_max=2 << 20))


def _zip(members: dict[str, bytes]) -> bytes:
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _overlapping(content: bytes) -> bytes:
    """Every entry of the directory points to the first member."""
    changed = bytearray(content)
    at = changed.find(b"PK\x01\x02")
    while at >= 0:
        struct.pack_into("<L", changed, at + 42, 0)
        at = changed.find(b"PK\x01\x02", at + 4)
    return bytes(changed)


def _flagged(content: bytes) -> bytes:
    changed = bytearray(content)
    changed[changed.find(b"PK\x01\x02") + 8] |= 1
    return bytes(changed)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (_overlapping(_zip({"a": b"x" * 9, "b": b"x" * 9})), "overlap"),
        (_zip({"a": bytes(300 << 20)}), "more than 256 MiB"),
        (_zip({"a": bytes(20 << 20)}), "times its size"),
        (_zip({f"{n}": b"" for n in range(5_001)}), "more than 5,000 parts"),
        (_flagged(_zip({"a": b"x"})), "password"),
        (_zip({"w.xml": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hosts">]><a/>'}), "entities"),
        (_zip({"w.xml": "<!DOCTYPE a []><a/>".encode("utf-16")}), "entities"),
        (_zip({"a": b"x"})[:-30], "damaged"),
        (b"PK\x03\x04", "damaged"),
    ],
    ids=["overlap", "size", "ratio", "count", "encrypted", "entity", "utf16", "cut", "head"],
)
def test_a_container_that_no_office_program_writes_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(DocumentRejected, match=reason):
        check_container(content, _LIMITS)


def test_an_archive_inside_a_document_is_never_opened() -> None:
    inner = _zip({"bomb": bytes(20 << 20)})
    content = samples()[DOCX]
    file = BytesIO(content)
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("word/embeddings/inner.zip", inner)
    assert _extract(file.getvalue(), DOCX).text.startswith("One")
