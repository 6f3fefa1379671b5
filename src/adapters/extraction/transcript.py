"""Collects the blocks of a document, in reading order, into one clean text."""

from __future__ import annotations

import re
import unicodedata

from adapters.extraction.limits import ExtractionLimits
from domain.retrieval.extracted_text import Block, BlockKind, ExtractedText
from domain.retrieval.rejection import DocumentRejected

# Controls but tab and line feed; lone surrogates, non-characters, the byte order mark and soft
# hyphens: nobody sees them, and they keep words from being found.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\u00ad\ud800-\udfff\ufdd0-\ufdef\ufeff\ufffe\uffff]"
)
_LINE_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x85\u2028\u2029]")
_BLANKS = re.compile(r"[^\S\n]+")
_BLANKS_AROUND_BREAK = re.compile(r"[^\S\n]?\n[^\S\n]?")
_CLOSE = frozenset({BlockKind.LIST_ITEM, BlockKind.TABLE_ROW})


class Transcript:
    """Grows by one block at a time, and refuses to grow beyond the limits."""

    def __init__(self, limits: ExtractionLimits) -> None:
        self._limits = limits
        self._parts: list[str] = []
        self._blocks: list[Block] = []
        self._length = 0
        self._bytes = 0

    def add(self, kind: BlockKind, text: str, *, level: int = 0, page: int | None = None) -> None:
        """Append a block; one without anything to read is left out.

        Runs of blanks become one, save in code; line breaks are kept.
        """
        words = _clean(text) if kind is BlockKind.CODE else _without_runs(_clean(text))
        if not words:
            return
        between = self._between(kind)
        start = self._length + len(between)
        self._parts += (between, words)
        self._length = start + len(words)
        self._bytes += len(between) + len(words.encode())
        self._blocks.append(Block(kind=kind, start=start, end=self._length, level=level, page=page))
        if self._bytes > self._limits.text_bytes_max or len(self._blocks) > self._limits.blocks_max:
            mebibytes = self._limits.text_bytes_max >> 20
            raise DocumentRejected(f"The document has more than {mebibytes} MiB of text.")

    def add_row(self, cells: list[str], *, page: int | None = None) -> None:
        """Append a row of a table, on one line."""
        words = [" ".join(cell.split()) for cell in cells]
        if any(words):
            self.add(BlockKind.TABLE_ROW, " | ".join(words), page=page)

    def finish(self, reason_without_text: str = "The document has no text.") -> ExtractedText:
        """The whole; raises DocumentRejected when no block was added."""
        if not self._blocks:
            raise DocumentRejected(reason_without_text)
        return ExtractedText(text="".join(self._parts), blocks=tuple(self._blocks))

    def _between(self, kind: BlockKind) -> str:
        if not self._blocks:
            return ""
        return "\n" if kind in _CLOSE and self._blocks[-1].kind is kind else "\n\n"


def _clean(text: str) -> str:
    seen = _UNSEEN.sub("", _LINE_BREAKS.sub("\n", text))
    return unicodedata.normalize("NFC", seen).strip("\n").rstrip()


def _without_runs(text: str) -> str:
    return _BLANKS_AROUND_BREAK.sub("\n", _BLANKS.sub(" ", text)).strip()
