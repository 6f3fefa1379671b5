"""A tiny document of each type. Reading each once loads what the parsers load lazily."""

from __future__ import annotations

from collections.abc import Iterable
from email.message import EmailMessage
from io import BytesIO

import docx
import pptx

from adapters.extraction.content_type import (
    CSV,
    DOCX,
    EML,
    HTML,
    JSON,
    JSON_LINES,
    MARKDOWN,
    ODS,
    PDF,
    PLAIN_TEXT,
    PPTX,
    TSV,
    XLSX,
)
from adapters.extraction.sample_sheets import ods_of, xlsx_of

_MARKDOWN = b"# One\n\n- *two* [three](https://example.org)\n\n|a|b|\n|-|-|\n|c|d|\n\n&amp; `x`\n"
_ROWS = [["One", "two"], ["three", "4"]]
_HTML = "<html><h1>One</h1><ul><li>two</ul><table><tr><td>é</table><pre>x</pre></html>".encode()


def samples() -> dict[str, bytes]:
    """Content by media type."""
    return {
        PLAIN_TEXT: "One.\n\nTwo é".encode("utf-16"),
        MARKDOWN: _MARKDOWN,
        HTML: _HTML,
        PDF: pdf_of([["One", "two"]]),
        DOCX: _docx(),
        PPTX: _pptx(),
        XLSX: xlsx_of({"One": _ROWS}),
        ODS: ods_of({"One": _ROWS}),
        CSV: b"One,two\nthree,4\n",
        TSV: b"One\ttwo\nthree\t4\n",
        JSON: b'{"One": "two", "three": [4.5, true]}',
        JSON_LINES: b'{"One": "two"}\n{"three": 4}\n',
        EML: _message(),
    }


def pdf_of(pages: list[list[str]]) -> bytes:
    """A plain PDF with one line of text for each string; latin letters only."""
    return _pdf_of(
        "72 720 Td 14 TL " + " T* ".join(f"({_escaped(line)}) Tj" for line in lines)
        for lines in pages
    )


def pdf_drawn(*pages: list[tuple[float, float, str]], turned: int = 0) -> bytes:
    """A PDF whose pages have each text where it says, in points from the lower left corner.

    Where they are `turned` by 90 degrees, as wide tables are, x goes up and y to the right."""
    matrix = "0 1 -1 0" if turned else "1 0 0 1"
    return _pdf_of(
        (
            " ".join(f"{matrix} {x} {y} Tm ({_escaped(text)}) Tj" for x, y, text in drawn)
            for drawn in pages
        ),
        turned,
    )


def _pdf_of(shown: Iterable[str], turned: int = 0) -> bytes:
    pages = list(shown)
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    parts = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    for at, page in enumerate(pages):
        drawn = f"BT /F1 12 Tf {page} ET"
        parts.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Rotate {turned} "
            f"/Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * at} 0 R >>"
        )
        parts.append(f"<< /Length {len(drawn)} >>\nstream\n{drawn}\nendstream")
    return _pdf_file(parts)


def _pdf_file(parts: list[str]) -> bytes:
    written = "%PDF-1.4\n"
    offsets = []
    for number, part in enumerate(parts, start=1):
        offsets.append(len(written))
        written += f"{number} 0 obj\n{part}\nendobj\n"
    start, size = len(written), len(parts) + 1
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    written += f"xref\n0 {size}\n0000000000 65535 f \n{table}"
    written += f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return written.encode("latin-1")


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _docx() -> bytes:
    document = docx.Document()
    document.add_heading("One", level=1)
    document.add_paragraph("two", style="List Bullet")
    document.add_table(rows=1, cols=1).cell(0, 0).text = "three"
    file = BytesIO()
    document.save(file)
    return file.getvalue()


def _pptx() -> bytes:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[1])
    slide.shapes.title.text = "One"
    slide.placeholders[1].text_frame.text = "two"
    slide.shapes.add_table(1, 1, 0, 0, 9_000, 9_000).table.cell(0, 0).text = "three"
    slide.notes_slide.notes_text_frame.text = "four"
    file = BytesIO()
    presentation.save(file)
    return file.getvalue()


def _message() -> bytes:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "One é", "a@example.org", "b@example.org"
    message["Date"] = "Tue, 03 Feb 2026 10:00:00 +0100"
    message.set_content("two")
    message.add_alternative("<p>two</p>", subtype="html")
    message.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="té.csv")
    return message.as_bytes()
