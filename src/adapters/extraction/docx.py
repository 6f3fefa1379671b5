"""Reads Word documents (ISO/IEC 29500 WordprocessingML) in document order.

The XML is walked here rather than through paragraphs of the library, which leave out content
controls, text boxes and insertions that are still under review.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import docx
from docx.oxml import parse_xml

from adapters.extraction.container import check_container
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.transcript import Transcript
from domain.retrieval.extracted_text import BlockKind, ExtractedText

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FORMULA_TEXT = "{http://schemas.openxmlformats.org/officeDocument/2006/math}t"
_ALTERNATIVE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
# Deleted and moved-away text, field codes, and properties are not what a reader sees.
_SKIPPED = frozenset(
    {_ALTERNATIVE, *(_W + name for name in ("del", "moveFrom", "instrText", "delText", "rPr"))}
)
_NOTES = ("/footnotes", "/endnotes")
_HEADING_NAME = re.compile(r"heading ([1-9])$", re.IGNORECASE)
_STYLE_DEPTH_MAX = 12


def extract_docx(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """Headings, paragraphs, list items and table rows; footnotes and endnotes follow at the end."""
    check_container(content, limits)
    document = docx.Document(BytesIO(content))
    reader = _Reader(Transcript(limits), _Styles(document.styles.element))
    reader.read(document.element.body)
    for relation in document.part.rels.values():
        if not relation.is_external and relation.reltype.endswith(_NOTES):
            reader.read(parse_xml(relation.target_part.blob))
    return reader.transcript.finish()


class _Styles:
    """What the paragraph styles say: the depth of headings, and which are lists."""

    def __init__(self, styles: Any) -> None:
        self._by_id = {style.get(_W + "styleId"): style for style in styles.iter(_W + "style")}
        self._levels: dict[str, int] = {}

    def heading_level(self, style_id: str) -> int:
        """From 1, or 0 where it is no heading."""
        if style_id not in self._levels:
            self._levels[style_id] = self._find_level(style_id)
        return self._levels[style_id]

    def is_list(self, style_id: str) -> bool:
        return any(
            _name(style).lower().startswith("list") or style.find(f".//{_W}numPr") is not None
            for style in self._ancestry(style_id)
        )

    def _find_level(self, style_id: str) -> int:
        for style in self._ancestry(style_id):
            named = _HEADING_NAME.match(_name(style))
            if named is not None:
                return int(named[1])
            if _name(style).lower() == "title":
                return 1
            outline = style.find(f"{_W}pPr/{_W}outlineLvl")
            if outline is not None:
                return _outline_level(outline)
        return 0

    def _ancestry(self, style_id: str | None) -> Iterator[Any]:
        for _ in range(_STYLE_DEPTH_MAX):
            style = self._by_id.get(style_id)
            if style is None:
                return
            yield style
            parent = style.find(_W + "basedOn")
            style_id = None if parent is None else parent.get(_W + "val")


class _Reader:
    def __init__(self, transcript: Transcript, styles: _Styles) -> None:
        self.transcript = transcript
        self._styles = styles

    def read(self, container: Any) -> None:
        """Every paragraph and table below, however deep in content controls or text boxes.

        The parser accepts 256 levels of nesting, so recursion is safe.
        """
        for element in container:
            if element.tag == _W + "p":
                self._read_paragraph(element)
            elif element.tag == _W + "tbl":
                self._read_table(element)
            elif element.tag not in _SKIPPED:
                self.read(element)

    def _read_paragraph(self, paragraph: Any) -> None:
        style_id = _value(paragraph, "pPr/pStyle") or ""
        outline = paragraph.find(f"{_W}pPr/{_W}outlineLvl")
        level = self._styles.heading_level(style_id)
        if not level and outline is not None:
            level = _outline_level(outline)
        text = "".join(_text(paragraph))
        if level:
            self.transcript.add(BlockKind.HEADING, text, level=level)
        elif paragraph.find(f"{_W}pPr/{_W}numPr") is not None or self._styles.is_list(style_id):
            depth = _value(paragraph, "pPr/numPr/ilvl") or "0"
            depth_number = int(depth) + 1 if depth.isdecimal() and len(depth) < 3 else 1
            self.transcript.add(BlockKind.LIST_ITEM, text, level=depth_number)
        else:
            self.transcript.add(BlockKind.PARAGRAPH, text)
        for box in _boxes(paragraph):
            self.read(box)

    def _read_table(self, table: Any) -> None:
        for row in table.iter(_W + "tr"):
            if next(row.iterancestors(_W + "tbl")) is table:
                cells = [cell for cell in row.iter(_W + "tc") if next(_rows(cell)) is row]
                self.transcript.add_row([" ".join(_paragraph_texts(cell)) for cell in cells])


def _rows(cell: Any) -> Iterator[Any]:
    ancestors: Iterator[Any] = cell.iterancestors(_W + "tr")
    return ancestors


def _paragraph_texts(cell: Any) -> Iterator[str]:
    """Those of text boxes and of tables within too, but not the same again in another form."""
    for element in cell:
        if element.tag == _W + "p":
            yield "".join(_text(element))
            for box in _boxes(element):
                yield from _paragraph_texts(box)
        elif element.tag not in _SKIPPED:
            yield from _paragraph_texts(element)


def _boxes(paragraph: Any) -> Iterator[Any]:
    """The text boxes that hang on a paragraph, without those that hang in another."""
    for box in paragraph.iter(_W + "txbxContent"):
        if next(box.iterancestors(_W + "p")) is paragraph and not any(
            ancestor.tag in _SKIPPED for ancestor in box.iterancestors()
        ):
            yield box


def _text(element: Any) -> Iterator[str]:
    """The characters of a paragraph, without those of text boxes that hang on it."""
    for child in element:
        if child.tag in {_W + "t", _FORMULA_TEXT}:
            yield child.text or ""
        elif child.tag == _W + "r" and _is_hidden(child):
            continue
        elif child.tag == _W + "tab":
            yield "\t"
        elif child.tag in {_W + "br", _W + "cr"}:
            yield "\n"
        elif child.tag == _W + "noBreakHyphen":
            yield "-"
        elif child.tag not in _SKIPPED and child.tag not in {_W + "pPr", _W + "txbxContent"}:
            yield from _text(child)


def _is_hidden(run: Any) -> bool:
    vanish = run.find(f"{_W}rPr/{_W}vanish")
    return vanish is not None and vanish.get(_W + "val", "true") not in {"0", "false", "off"}


def _value(element: Any, path: str) -> str | None:
    found = element.find("/".join(_W + name for name in path.split("/")))
    return None if found is None else found.get(_W + "val")


def _name(style: Any) -> str:
    return _value(style, "name") or ""


def _outline_level(outline: Any) -> int:
    depth = outline.get(_W + "val") or ""
    return int(depth) + 1 if depth in set("012345678") else 0
