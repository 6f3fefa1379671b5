"""The text of a document as it was read out of its file, with the structure that was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from domain.place import NOWHERE, Place


class BlockKind(StrEnum):
    """What a stretch of the text was in its file."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST_ITEM = "list_item"
    TABLE_ROW = "table_row"
    CODE = "code"


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One stretch of the text: the characters [start, end), not bytes.

    `level` is the depth of a heading or list item, from 1, and 0 elsewhere; `place` is where in
    the file the block begins.
    """

    kind: BlockKind
    start: int
    end: int
    level: int = 0
    place: Place = NOWHERE

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end:
            raise ValueError("a block has at least one character")
        if self.level < 0 or (self.kind is BlockKind.HEADING and self.level < 1):
            raise ValueError("headings count their depth from 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtractedText:
    """A document's text and its blocks: in order, apart, and with only white space between them.

    The text can be written as UTF-8 (no lone surrogates) and has no NUL, which databases refuse.
    """

    text: str
    blocks: tuple[Block, ...]

    def __post_init__(self) -> None:
        if "\x00" in self.text:
            raise ValueError("the text has a NUL")
        self.text.encode()
        reached = 0
        for block in self.blocks:
            if block.start < reached or block.end > len(self.text):
                raise ValueError("blocks overlap or leave the text")
            self._must_be_blank(reached, block.start)
            reached = block.end
        self._must_be_blank(reached, len(self.text))

    def _must_be_blank(self, start: int, end: int) -> None:
        gap = self.text[start:end]
        if gap and not gap.isspace():
            raise ValueError("there is text outside the blocks")
