"""Reads PDF through PDFium, and puts its lines together into headings, paragraphs and lists.

PDF knows glyphs at places, not paragraphs. PDFium gives lines in the order in which the page draws
them, which is reading order for what word processors and typesetters write, columns included. What
stands beside each other on one line is taken apart: see `cells` and `column_by_column`.
"""

from __future__ import annotations

import pypdfium2
from pypdfium2 import raw as pdfium

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.pdf_cells import PageText, Stretch, cells
from adapters.extraction.pdf_columns import column_by_column
from adapters.extraction.pdf_forms import with_what_was_typed
from adapters.extraction.pdf_lines import Line, add_blocks
from adapters.extraction.transcript import Transcript
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import DocumentRejected, more_bytes_than, more_than

_NO_TEXT = "The PDF has no text; scanned pages are not read yet."


def extract_pdf(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """Blocks with their page; running headers, footers and page numbers are left out."""
    document = _opened(content)
    pages = len(document)
    if pages > limits.pages_max:
        raise more_than(limits.pages_max, "pages")
    if pages < 1:
        raise DocumentRejected("The PDF has no pages.")
    transcript = Transcript(limits)
    read: list[list[Line]] = []
    characters = 0
    for number in range(1, pages + 1):
        lines = _lines(document, number, limits)
        characters += sum(len(line.text) for line in lines)
        if characters > limits.text_bytes_max:
            raise more_bytes_than(limits.text_bytes_max)
        read.append(lines)
    add_blocks(read, transcript)
    return transcript.finish(_NO_TEXT)


def _opened(content: bytes) -> pypdfium2.PdfDocument:
    try:
        document = pypdfium2.PdfDocument(content)
        document.init_forms()  # before any page is opened; without a form it does nothing
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise DocumentRejected("The PDF is protected by a password.") from None
        raise DocumentRejected("The PDF is damaged.") from None
    return document


def _lines(document: pypdfium2.PdfDocument, number: int, limits: ExtractionLimits) -> list[Line]:
    try:
        page = document[number - 1]
        textpage = page.get_textpage()
    except pypdfium2.PdfiumError:
        raise DocumentRejected(f"Page {number} of the PDF is damaged.") from None
    read = PageText(textpage, page.get_rotation())
    lines = [_line(read, cell, number) for cell in cells(read)]
    lines = with_what_was_typed(lines, document, page, number, bytes_max=limits.text_bytes_max)
    textpage.close()
    page.close()
    return column_by_column(lines)


def _line(read: PageText, cell: Stretch, page: int) -> Line:
    """The line with its place in points; nowhere where PDFium does not know its characters."""
    first, last = read.box(cell.first), read.box(cell.last)
    if first is None or last is None:
        return Line(text=cell.text, page=page)
    at = pdfium.FPDFText_GetCharIndexFromTextIndex(read.textpage, cell.first)
    left, _, _, top = first
    last_left, bottom, right, last_top = last
    return Line(
        text=cell.text,
        page=page,
        left=left,
        right=max(right, last_left),
        top=max(top, last_top),
        bottom=bottom,
        size=round(pdfium.FPDFText_GetFontSize(read.textpage, at) * 2) / 2,
        height=abs(last_top - bottom),
    )
