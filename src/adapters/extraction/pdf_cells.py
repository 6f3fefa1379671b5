"""Parts the lines that PDFium reads where cells of a table, or columns, stand beside each other.

PDF has no cells, and PDFium puts a blank for any gap on a line. A gap that is much wider than the
others, and begins where another line of the page begins or goes on, is one between cells.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pypdfium2
from pypdfium2 import raw as pdfium

_BLANKS = re.compile(r" +")
# A bullet or a number often stands far from what it marks.
_MARK = re.compile(r"\s*(?:[^\w\s]|\(?(?:\d{1,3}(?:\.\d{1,3})*[.)]?|[A-Za-z][.)]))\s*")
# Heights of a line: a gap that no other line needs to bear out, one that is wide by itself, and one
# that is so beside others on its line, as they are between words.
_SURELY, _WIDE, _WIDE_BESIDE, _RATIO = 4.0, 1.25, 0.6, 2.5
_ALIKE_POINTS = 2.0


Box = tuple[float, float, float, float]
"""Left, bottom, right and top in points, as the page is shown; where it begins is of no account."""


class PageText:
    """What PDFium reads of a page, which is shown turned by so many degrees clockwise."""

    def __init__(self, textpage: pypdfium2.PdfTextPage, turned: int) -> None:
        self.textpage = textpage
        self._turned = turned
        self._count = textpage.count_chars()
        self._box = pdfium.FS_RECTF()  # one for all: asked for every blank of a book

    def box(self, unit: int) -> Box | None:
        """Where a character is; None where PDFium does not know it."""
        at = pdfium.FPDFText_GetCharIndexFromTextIndex(self.textpage.raw, unit)
        if not 0 <= at < self._count:
            return None
        box = self._box
        if not pdfium.FPDFText_GetLooseCharBox(self.textpage.raw, at, box):
            return None
        place = box.left, box.bottom, box.right, box.top
        return turned_box(place, self._turned) if self._turned else place


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some characters of a page's text, and where in it they begin, in UTF-16 units."""

    text: str
    first: int

    @property
    def last(self) -> int:
        return self.first + units(self.text) - 1


@dataclass(frozen=True, slots=True)
class _Gap:
    """A wide blank: the characters [start, end) of its line, the unit that follows it, how many
    heights of the line it is wide, and where it ends in points."""

    start: int
    end: int
    following: int
    heights: float
    right: float


def cells(page: PageText) -> list[Stretch]:
    """The lines of a page in their order, parted where cells stand beside each other."""
    lines: list[Stretch] = []
    position = 0
    for text in page.textpage.get_text_range().split("\r\n"):
        if text.strip():
            lines.append(Stretch(text, position))
        position += units(text) + 2
    gaps = [_wide_gaps(page, line) for line in lines]
    if not any(gaps):
        return lines
    edges: Counter[int] = Counter()
    for line, wide in zip(lines, gaps, strict=True):
        first = page.box(line.first + len(line.text) - len(line.text.lstrip()))
        begins = {_edge(first[0])} if first else set()
        edges.update(begins | {_edge(gap.right) for gap in wide})
    return [
        part
        for line, wide in zip(lines, gaps, strict=True)
        for part in _parted(line, [gap for gap in wide if _is_borne_out(gap, edges)])
    ]


def turned_box(box: Box, degrees: int) -> Box:
    """A place on a page as it is where the page is shown turned clockwise."""
    left, bottom, right, top = box
    return {
        90: (bottom, -right, top, -left),
        180: (-right, -top, -left, -bottom),
        270: (-top, left, -bottom, right),
    }.get(degrees, box)


def units(text: str) -> int:
    """How long it is in UTF-16, as PDFium counts."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "replace")) // 2


def _wide_gaps(page: PageText, line: Stretch) -> Sequence[_Gap]:
    gaps = []
    reached, unit = 0, line.first
    for blank in _BLANKS.finditer(line.text):
        before = unit + units(line.text[reached : blank.start()])
        reached, unit = blank.end(), before + blank.end() - blank.start()
        left, right = page.box(before - 1), page.box(unit)
        if left is not None and right is not None and right[3] > right[1]:
            heights = (right[0] - left[2]) / (right[3] - right[1])
            gaps.append(_Gap(blank.start(), blank.end(), unit, heights, right[0]))
    least = min((gap.heights for gap in gaps if gap.heights > 0), default=0.0)
    beside = max(_WIDE_BESIDE, least * _RATIO)
    return [gap for gap in gaps if gap.heights > _WIDE or gap.heights > beside]


def _parted(line: Stretch, gaps: Sequence[_Gap]) -> Iterator[Stretch]:
    start, first = 0, line.first
    for gap in gaps:
        if start or not _MARK.fullmatch(line.text, 0, gap.start):
            yield Stretch(line.text[start : gap.start], first)
            start, first = gap.end, gap.following
    if line.text[start:].strip():
        yield Stretch(line.text[start:], first)


def _is_borne_out(gap: _Gap, edges: Counter[int]) -> bool:
    at = _edge(gap.right)
    return gap.heights > _SURELY or edges[at - 1] + edges[at] + edges[at + 1] > 1


def _edge(x: float) -> int:
    return round(x / _ALIKE_POINTS)
