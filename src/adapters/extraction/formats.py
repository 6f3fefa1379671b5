"""Which program reads which type of content, inside the child process."""

from __future__ import annotations

from collections.abc import Callable

from adapters.extraction.content_type import DOCX, HTML, MARKDOWN, PDF, PLAIN_TEXT, PPTX
from adapters.extraction.docx import extract_docx
from adapters.extraction.html import extract_html
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.markdown import extract_markdown
from adapters.extraction.pdf import extract_pdf
from adapters.extraction.plain_text import extract_plain_text
from adapters.extraction.pptx import extract_pptx
from domain.retrieval.extracted_text import ExtractedText
from domain.retrieval.rejection import NOT_SUPPORTED, DocumentRejected

_FORMATS: dict[str, Callable[[bytes, ExtractionLimits], ExtractedText]] = {
    PLAIN_TEXT: extract_plain_text,
    MARKDOWN: extract_markdown,
    HTML: extract_html,
    PDF: extract_pdf,
    DOCX: extract_docx,
    PPTX: extract_pptx,
}


def extract_any(content: bytes, media_type: str, limits: ExtractionLimits) -> ExtractedText:
    """Read a document of any supported type.

    Raises DocumentRejected where the reason is known; what a parser raises besides is passed on.
    """
    extract = _FORMATS.get(media_type)
    if extract is None:
        raise DocumentRejected(NOT_SUPPORTED)
    return extract(content, limits)
