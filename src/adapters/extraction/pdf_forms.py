"""What was typed into a PDF: values of its form, and text that was laid over its pages.

They are no part of a page's text, and for most people the most important part of a filled form.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import pypdfium2
from pypdfium2 import raw as pdfium

from adapters.extraction.pdf_cells import Box, turned_box
from adapters.extraction.pdf_lines import Line
from domain.retrieval.rejection import more_bytes_than

ANNOTATIONS_MAX = 1_000  # of one page
_VALUES = frozenset(
    {
        pdfium.FPDF_FORMFIELD_TEXTFIELD,
        pdfium.FPDF_FORMFIELD_COMBOBOX,
        pdfium.FPDF_FORMFIELD_LISTBOX,
    }
)
_UNSEEN = pdfium.FPDF_ANNOT_FLAG_HIDDEN | pdfium.FPDF_ANNOT_FLAG_NOVIEW
_PASSWORD = 1 << 13  # ISO 32000-1, 12.7.4.3


def with_what_was_typed(
    lines: Sequence[Line],
    document: pypdfium2.PdfDocument,
    page: pypdfium2.PdfPage,
    number: int,
    *,
    bytes_max: int,
) -> list[Line]:
    """The lines of a page, with each value beside its label, or where it comes from above.

    Raises DocumentRejected where it is more than so many bytes."""
    merged = list(lines)
    characters = 0
    for text, box in _typed(document, page):
        characters += len(text)
        if characters > bytes_max:
            raise more_bytes_than(bytes_max)
        at, like = _place(merged, box)
        line = Line(text=" ".join(text.split()), page=number, left=box[0], right=box[2])
        if like is None:
            line = replace(line, top=box[3], bottom=box[1], height=box[3] - box[1])
        else:
            line = replace(
                line, top=like.top, bottom=like.bottom, size=like.size, height=like.height
            )
        merged.insert(at, line)
    return merged


def _place(lines: Sequence[Line], box: Box) -> tuple[int, Line | None]:
    """Before which line it belongs, and which line it stands beside, if any."""
    middle = (box[1] + box[3]) / 2
    above = 0
    beside: tuple[int, Line] | None = None
    for at, line in enumerate(lines):
        is_level = line.bottom - line.height / 2 < middle < line.top + line.height / 2
        if is_level and line.left < box[0] and (beside is None or line.left >= beside[1].left):
            beside = at + 1, line
        if line.top >= middle:
            above = at + 1
    return beside or (above, None)


def _typed(document: pypdfium2.PdfDocument, page: pypdfium2.PdfPage) -> Iterator[tuple[str, Box]]:
    form = None if document.formenv is None else document.formenv.raw
    count = min(pdfium.FPDFPage_GetAnnotCount(page.raw), ANNOTATIONS_MAX)
    for number in range(count):
        annotation = pdfium.FPDFPage_GetAnnot(page.raw, number)
        if not annotation:
            continue
        try:
            text = _text(form, annotation)
            rectangle = pdfium.FS_RECTF()
            if text.strip() and pdfium.FPDFAnnot_GetRect(annotation, rectangle):
                corners = (rectangle.left, rectangle.bottom, rectangle.right, rectangle.top)
                yield text, turned_box(corners, page.get_rotation())
        finally:
            pdfium.FPDFPage_CloseAnnot(annotation)


def _text(form: object, annotation: object) -> str:
    if pdfium.FPDFAnnot_GetFlags(annotation) & _UNSEEN:
        return ""
    kind = pdfium.FPDFAnnot_GetSubtype(annotation)
    if kind == pdfium.FPDF_ANNOT_FREETEXT:
        return _said(lambda *to: pdfium.FPDFAnnot_GetStringValue(annotation, b"Contents", *to))
    if kind != pdfium.FPDF_ANNOT_WIDGET or form is None:
        return ""
    if (
        pdfium.FPDFAnnot_GetFormFieldType(form, annotation) not in _VALUES
        or pdfium.FPDFAnnot_GetFormFieldFlags(form, annotation) & _PASSWORD
    ):
        return ""
    return _said(lambda *to: pdfium.FPDFAnnot_GetFormFieldValue(form, annotation, *to))


def _said(written: Callable[..., int]) -> str:
    """What PDFium writes into a buffer: UTF-16 with a NUL at its end."""
    length = written(None, 0)
    buffer = ctypes.create_string_buffer(max(length, 2))
    written(ctypes.cast(buffer, ctypes.POINTER(pdfium.FPDF_WCHAR)), length)
    return buffer.raw[: max(length - 2, 0)].decode("utf-16-le", "replace")
