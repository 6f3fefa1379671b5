"""Reads plain text: paragraphs are what blank lines part; lines stay as they are."""

from __future__ import annotations

import re

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.text_encoding import text_of
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
    """The characters of a text file. Line breaks become line feeds.

    Raises DocumentRejected where its encoding cannot be told.
    """
    text = text_of(content)
    if text is None:
        raise DocumentRejected(NOT_UNICODE)
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _paragraphs(text: str) -> list[str]:
    return _BLANK_LINES.split(text.replace("\f", "\n\n"))
