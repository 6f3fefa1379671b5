"""Which program reads which type of content, inside the child process."""

from __future__ import annotations

from collections.abc import Callable

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
from adapters.extraction.delimited import extract_csv, extract_tsv
from adapters.extraction.docx import extract_docx
from adapters.extraction.html import extract_html
from adapters.extraction.json_values import extract_json, extract_json_lines
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.markdown import extract_markdown
from adapters.extraction.message import extract_message
from adapters.extraction.ods import extract_ods
from adapters.extraction.pdf import extract_pdf
from adapters.extraction.plain_text import extract_plain_text
from adapters.extraction.pptx import extract_pptx
from adapters.extraction.xlsx import extract_xlsx
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import NOT_SUPPORTED, DocumentRejected

_FORMATS: dict[str, Callable[[bytes, ExtractionLimits], ExtractedText]] = {
    PLAIN_TEXT: extract_plain_text,
    MARKDOWN: extract_markdown,
    HTML: extract_html,
    PDF: extract_pdf,
    DOCX: extract_docx,
    PPTX: extract_pptx,
    XLSX: extract_xlsx,
    ODS: extract_ods,
    CSV: extract_csv,
    TSV: extract_tsv,
    JSON: extract_json,
    JSON_LINES: extract_json_lines,
}


def extract_any(content: bytes, media_type: str, limits: ExtractionLimits) -> ExtractedText:
    """Read a document of any supported type.

    Raises DocumentRejected where the reason is known; what a parser raises besides is passed on.
    """
    if media_type == EML:
        return extract_message(content, limits, extract_any)  # its attachments are any of these
    extract = _FORMATS.get(media_type)
    if extract is None:
        raise DocumentRejected(NOT_SUPPORTED)
    return extract(content, limits)
