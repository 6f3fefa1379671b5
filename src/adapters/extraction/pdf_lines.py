"""Puts the lines of PDF pages together into blocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

from adapters.extraction.transcript import Transcript
from domain.place import Place
from domain.retrieval.extracted_text import BlockKind

_PAGE_NUMBER = re.compile(r"[-–—|\s]*(?:page\s*)?#(?:\s*(?:of|/)\s*#)?[-–—|\s]*", re.IGNORECASE)
_BULLET = re.compile(r"\s*[•◦▪▫‣⁃·●○■□➢✓✔\uf0b7*–—-]\s+(?=\S)")
_NUMBERED = re.compile(r"\s*(?:\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")
_DIGITS = re.compile(r"\d+")
# PDFium marks a hyphen that it takes for a division at the end of a line by U+FFFE or STX.
_DIVISION = re.compile("(\\w+)[\ufffe\x02](\\w+)")
_WORD = re.compile(r"\w+(?:-\w+)*")
_HEADING_CHARACTERS_MAX = 200
_HEADING_RATIO = 1.1
_COLUMN_POINTS = 64
_ROW_LINES_MAX = 16
_SENTENCE_STOPS = ".!?:;…。！？"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line and its place in points, from the lower left corner of the page.

    A line that PDFium joined with the next, where a word was divided, is one line here; `right`,
    `bottom` and `height` are those of its end.
    """

    text: str
    page: int
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0
    bottom: float = 0.0
    size: float = 0.0
    height: float = 0.0

    def is_level_with(self, other: Line) -> bool:
        """Whether both stand on one line of the page."""
        return abs(self.top - other.top) < other.height / 2


def add_blocks(pages: Sequence[Sequence[Line]], transcript: Transcript) -> None:
    """Append the text of the pages, block by block."""
    bodies = list(_without_furniture(pages))
    sizes: Counter[float] = Counter()
    words: Counter[str] = Counter()
    for line in (line for lines in bodies for line in lines):
        sizes[line.size] += len(line.text)
        words.update(_WORD.findall(line.text.lower()))
    levels = _heading_levels(sizes)
    for paragraph in _across_pages(_paragraphs(bodies)):
        first = paragraph[0]
        place = Place(page=first.page)
        cells = _cells(paragraph)
        if len(cells) > 1:
            transcript.add_row([_joined(cell, words) for cell in cells], place=place)
            continue
        text = _joined(paragraph, words)
        level = levels.get(first.size, 0) if len(text) <= _HEADING_CHARACTERS_MAX else 0
        bullet = _BULLET.match(text)
        if level:
            transcript.add(BlockKind.HEADING, text, level=level, place=place)
        elif bullet is not None:
            transcript.add(BlockKind.LIST_ITEM, text[bullet.end() :], level=1, place=place)
        elif _NUMBERED.match(text):
            transcript.add(BlockKind.LIST_ITEM, text, level=1, place=place)
        else:
            transcript.add(BlockKind.PARAGRAPH, text, place=place)


def _without_furniture(pages: Sequence[Sequence[Line]]) -> Iterator[list[Line]]:
    """Pages without page numbers and without first and last lines that most pages repeat."""
    seen: Counter[str] = Counter()
    for lines in pages:
        if lines:
            seen.update({_shape(_outer_row(lines, at)) for at in (0, -1)})
    often = max(3, len(pages) // 2 + 1)
    for lines in pages:
        kept = list(lines)
        for at in (-1, 0):
            row = _outer_row(kept, at)
            if len(kept) > len(row):
                shape = _shape(row)
                if seen[shape] >= often or _PAGE_NUMBER.fullmatch(shape):
                    kept = kept[len(row) :] if at == 0 else kept[: -len(row)]
        yield kept


def _outer_row(lines: Sequence[Line], at: int) -> Sequence[Line]:
    """The first or the last line with what stands beside it: the name of a chapter and a page."""
    ordered = lines if at == 0 else lines[::-1]
    row = list(takewhile(lambda line: line.is_level_with(ordered[0]), ordered))
    return row or ordered[:1]


def _shape(row: Sequence[Line]) -> str:
    text = " ".join(line.text.strip() for line in sorted(row, key=lambda line: line.left))
    return _DIGITS.sub("#", text)


def _heading_levels(sizes: Counter[float]) -> dict[float, int]:
    """Sizes clearly above that of most characters, the largest as level 1, down to 6."""
    if not sizes:
        return {}
    body = sizes.most_common(1)[0][0]
    larger = sorted((size for size in sizes if size >= body * _HEADING_RATIO > 0), reverse=True)
    return {size: min(rank, 6) for rank, size in enumerate(larger, start=1)}


def _paragraphs(pages: Iterable[Sequence[Line]]) -> Iterator[list[Line]]:
    for lines in pages:
        rights = _column_rights(lines)
        paragraph: list[Line] = []
        row_end = 0
        for at, line in enumerate(lines):
            in_row = at < row_end
            if not in_row:
                row_end = _row_end(lines, at)
            if in_row or (paragraph and row_end == at and _continues(paragraph[-1], line, rights)):
                paragraph.append(line)
                continue
            if paragraph:
                yield paragraph
            paragraph = [line]
        if paragraph:
            yield paragraph


def _column_rights(lines: Sequence[Line]) -> dict[int, float]:
    """How far to the right lines reach that begin near each other, by a coarse left edge."""
    rights: dict[int, float] = {}
    for line in lines:
        column = int(line.left // _COLUMN_POINTS)
        for near in (column - 1, column, column + 1):
            rights[near] = max(rights.get(near, 0.0), line.right)
    return rights


def _continues(before: Line, line: Line, rights: dict[int, float]) -> bool:
    """Whether a line goes on with the paragraph of the line before.

    It does when it follows closely in the same size, and its first word would not have fitted
    at the end of the line before: then the break was made by the margin, not by the writer.
    """
    if abs(before.size - line.size) > 0.5 or not line.height:
        return False
    if _BULLET.match(line.text) or _NUMBERED.match(line.text):
        return False
    gap = before.bottom - line.top
    if not -0.5 * line.height < gap < 0.7 * line.height or before.top <= line.top:
        return False
    if abs(line.left - before.left) > 6 * line.size:
        return False
    words = line.text.split(maxsplit=1)
    character = (
        (line.right - line.left) / len(line.text) if line.right > line.left else line.size / 2
    )
    needed = character * (len(words[0]) + 1)
    right = rights.get(int(before.left // _COLUMN_POINTS), before.right)
    return before.right + needed > right - character


def _row_end(lines: Sequence[Line], at: int) -> int:
    """Where the table row ends that begins here; the same place when none does.

    Lines of running text go down the page. In a row the next cell begins again at its top.
    """
    end = at
    for later in range(at + 1, min(at + _ROW_LINES_MAX, len(lines))):
        if lines[later].top > lines[at].top + lines[at].height / 2:
            break
        if _beside(lines[at], lines[later]):
            end = later + 1
    while at < end < len(lines) and _below_in_cell(lines[end - 1], lines[end], lines[at]):
        end += 1
    return end


def _beside(first: Line, other: Line) -> bool:
    return abs(first.top - other.top) < other.height / 2 and other.left > first.left


def _below_in_cell(above: Line, line: Line, first: Line) -> bool:
    return (
        line.left > first.left + line.size
        and abs(above.left - line.left) < line.size
        and 0 < above.top - line.top < 1.7 * line.height
    )


def _cells(paragraph: Sequence[Line]) -> list[list[Line]]:
    cells: list[list[Line]] = []
    for line in paragraph:
        if not cells or _beside(paragraph[0], line):
            cells.append([])
        cells[-1].append(line)
    return cells


def _across_pages(paragraphs: Iterable[list[Line]]) -> Iterator[list[Line]]:
    """Put together what a page break parted: no stop before it, and a small letter after."""
    held: list[Line] | None = None
    for paragraph in paragraphs:
        if held is not None and _parted(held[-1], paragraph[0]):
            held += paragraph
            continue
        if held is not None:
            yield held
        held = paragraph
    if held is not None:
        yield held


def _parted(before: Line, after: Line) -> bool:
    return (
        after.page == before.page + 1
        and before.size == after.size
        and before.text.rstrip()[-1:] not in _SENTENCE_STOPS
        and after.text.lstrip()[:1].islower()
    )


def _joined(lines: Sequence[Line], words: Counter[str]) -> str:
    text = "".join(_spaced(lines))
    return _DIVISION.sub(lambda found: _rejoined(found[1], found[2], words), text)


def _spaced(paragraph: Sequence[Line]) -> Iterator[str]:
    for at, line in enumerate(paragraph):
        text = line.text.strip()
        yield text
        divided = text.endswith(("\ufffe", "\x02"))
        if at + 1 < len(paragraph) and not divided:
            yield " "


def _rejoined(left: str, right: str, words: Counter[str]) -> str:
    """A divided word whole again; the hyphen stays where the document writes it elsewhere."""
    whole, hyphenated = (left + right).lower(), f"{left}-{right}".lower()
    own = right[:1].isupper() or right[:1].isdigit()
    if words[whole] or (not words[hyphenated] and not own):
        return left + right
    return f"{left}-{right}"
