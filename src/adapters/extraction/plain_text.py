"""Reads plain text: paragraphs are what blank lines part; lines stay as they are."""

from __future__ import annotations

import codecs
import re

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.transcript import Transcript
from domain.retrieval.extracted_text import BlockKind, ExtractedText
from domain.retrieval.rejection import NOT_UNICODE, DocumentRejected

_BLANK_LINES = re.compile(r"\n[^\S\n]*(?:\n[^\S\n]*)+")


def extract_plain_text(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """One paragraph block for each paragraph."""
    transcript = Transcript(limits)
    for paragraph in _paragraphs(decoded(content)):
        transcript.add(BlockKind.PARAGRAPH, paragraph)
    return transcript.finish()


def decoded(content: bytes) -> str:
    """The characters of a text file: UTF-16 where it says so by its byte order mark, else UTF-8.

    Line breaks become line feeds. Raises DocumentRejected for other encodings.
    """
    utf_16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if utf_16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise DocumentRejected(NOT_UNICODE) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _paragraphs(text: str) -> list[str]:
    return _BLANK_LINES.split(text.replace("\f", "\n\n"))
