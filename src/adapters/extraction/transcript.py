"""Collects the blocks of a document, in reading order, into one clean text."""

from __future__ import annotations

import re
import unicodedata

from adapters.extraction.limits import ExtractionLimits
from domain.place import NOWHERE, Place
from domain.retrieval.extracted_text import Block, BlockKind, ExtractedText
from domain.retrieval.rejection import NO_TEXT, DocumentRejected, more_bytes_than, more_than

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
        self._names: set[str] = set()

    @property
    def bytes_left(self) -> int:
        """How much may be added, in UTF-8."""
        return self._limits.text_bytes_max - self._bytes

    def add(self, kind: BlockKind, text: str, *, level: int = 0, place: Place = NOWHERE) -> None:
        """Append a block; one without anything to read is left out.

        Runs of blanks become one, save in code; line breaks are kept. What names places counts
        as text, each name once.
        """
        words = _clean(text) if kind is BlockKind.CODE else _without_runs(_clean(text))
        if not words:
            return
        between = self._between(kind)
        start = self._length + len(between)
        self._parts += (between, words)
        self._length = start + len(words)
        self._bytes += len(between) + len(words.encode())
        self._bytes += self._bytes_of_names(place)
        self._blocks.append(
            Block(kind=kind, start=start, end=self._length, level=level, place=place)
        )
        if self._bytes > self._limits.text_bytes_max:
            raise more_bytes_than(self._limits.text_bytes_max)
        if len(self._blocks) > self._limits.blocks_max:
            raise more_than(self._limits.blocks_max, "paragraphs")

    def add_row(self, cells: list[str], *, place: Place = NOWHERE) -> None:
        """Append a row of a table, on one line."""
        words = [" ".join(cell.split()) for cell in cells]
        if any(words):
            self.add(BlockKind.TABLE_ROW, " | ".join(words), place=place)

    def finish(self, reason_without_text: str = NO_TEXT) -> ExtractedText:
        """The whole; raises DocumentRejected when no block was added."""
        if not self._blocks:
            raise DocumentRejected(reason_without_text)
        return ExtractedText(text="".join(self._parts), blocks=tuple(self._blocks))

    def _bytes_of_names(self, place: Place) -> int:
        count = 0
        for name in (place.sheet, place.pointer, place.part):
            if name is not None and name not in self._names:
                self._names.add(name)
                count += len(name.encode())
        return count

    def _between(self, kind: BlockKind) -> str:
        if not self._blocks:
            return ""
        return "\n" if kind in _CLOSE and self._blocks[-1].kind is kind else "\n\n"


def _clean(text: str) -> str:
    seen = _UNSEEN.sub("", _LINE_BREAKS.sub("\n", text))
    return unicodedata.normalize("NFC", seen).strip("\n").rstrip()


def _without_runs(text: str) -> str:
    return _BLANKS_AROUND_BREAK.sub("\n", _BLANKS.sub(" ", text)).strip()
