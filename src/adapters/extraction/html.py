"""Reads HTML as a reader sees it: no scripts, no navigation, nothing hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser, LexborNode

from adapters.extraction.html_nesting import assert_not_nested_deeper
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.plain_text import decoded
from adapters.extraction.transcript import Transcript
from domain.retrieval.extracted_text import BlockKind, ExtractedText

# fmt: off
_DROPPED = frozenset((
    "script", "style", "noscript", "template", "head", "nav", "svg", "math", "iframe", "object",
    "embed", "canvas", "audio", "video", "button", "input", "select", "textarea", "datalist",
    "map", "dialog"
))
# fmt: on
_DROPPED_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "menu", "menubar"})
_HIDING_STYLE = re.compile(r"display\s{0,9}:\s{0,9}none|visibility\s{0,9}:\s{0,9}hidden", re.I)
# fmt: off
_BLOCKS = frozenset((
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details",
    "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hr",
    "html", "legend", "main", "ol", "p", "section", "summary", "table", "tbody", "tfoot",
    "thead", "ul", "h1", "h2", "h3", "h4", "h5", "h6", "li", "pre", "tr"
))
# fmt: on
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_SPACES = re.compile(r"[ \t\n\r\f]+")


def extract_html(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """Headings, paragraphs, list items, table rows and preformatted text.

    The title stands in for a first heading where the page has none.
    """
    page = decoded(content)
    assert_not_nested_deeper(page, limits.html_nesting_max)
    tree = LexborHTMLParser(page)
    reader = _Reader(Transcript(limits))
    title = tree.css_first("head > title")
    if title is not None and tree.css_first("h1") is None:
        reader.transcript.add(BlockKind.HEADING, " ".join(title.text().split()), level=1)
    if tree.root is not None:
        for node, entering in _walk(tree.root):
            reader.enter(node) if entering else reader.leave(node)
    reader.flush()
    return reader.transcript.finish()


def _walk(root: LexborNode) -> Iterator[tuple[LexborNode, bool]]:
    """Each seen node on entering and on leaving it. Nesting may be deeper than any call stack."""
    node: LexborNode | None = root
    while node is not None:
        down = None
        if not _is_unseen(node):
            yield node, True
            down = node.first_child
            if down is None:
                yield node, False
        while down is None and node is not None:
            if node.mem_id == root.mem_id:
                return
            down, parent = node.next, node.parent
            if down is None and parent is not None:
                yield parent, False
            node = parent
        node = down


def _is_unseen(node: LexborNode) -> bool:
    if not node.is_element_node:
        return not node.is_text_node
    if node.tag in _DROPPED:
        return node.tag != "dialog" or "open" not in node.attributes
    if node.tag == "footer" and node.parent is not None and node.parent.tag == "body":
        return True
    attributes = node.attributes
    if not attributes:
        return False
    return (
        "hidden" in attributes
        or attributes.get("aria-hidden") == "true"
        or attributes.get("role") in _DROPPED_ROLES
        or _HIDING_STYLE.search(attributes.get("style") or "") is not None
    )


class _Reader:
    """Gathers inline text until a block begins or ends."""

    def __init__(self, transcript: Transcript) -> None:
        self.transcript = transcript
        self._words: list[str] = []
        self._heading = self._lists = self._preformatted = 0
        self._item = False
        self._rows: list[list[str]] = []

    def enter(self, node: LexborNode) -> None:
        tag = node.tag
        if node.is_text_node:
            text = node.text_content or ""
            self._words.append(text if self._preformatted else _SPACES.sub(" ", text))
        elif tag == "br":
            self._words.append("\n")
        elif tag == "img":
            self._words.append(f" {node.attributes.get('alt') or ''} ")
        elif tag in {"td", "th"} and self._rows:
            self._words = []
        elif tag in _BLOCKS:
            self._begin(tag)

    def leave(self, node: LexborNode) -> None:
        tag = node.tag
        if tag in {"td", "th"} and self._rows:
            self._rows[-1].append("".join(self._words))
            self._words = []
        elif tag in _BLOCKS:
            self._end(tag)

    def flush(self) -> None:
        """Write what was gathered as a block; inside a table it belongs to its cell."""
        if self._rows:
            self._words.append("\n")
            return
        words = "".join(self._words)
        self._words = []
        if not words.strip():
            return
        if self._heading:
            self.transcript.add(BlockKind.HEADING, words, level=self._heading)
        elif self._preformatted:
            self.transcript.add(BlockKind.CODE, words)
        elif self._item:
            self.transcript.add(BlockKind.LIST_ITEM, words, level=max(self._lists, 1))
            self._item = False
        else:
            self.transcript.add(BlockKind.PARAGRAPH, words)

    def _begin(self, tag: str) -> None:
        self.flush()
        if tag == "tr":
            self._rows.append([])
            self._words = []
        elif tag in {"ul", "ol"}:
            self._lists += 1
        elif tag == "li":
            self._item = True
        elif tag == "pre":
            self._preformatted += 1
        self._heading = _HEADINGS.get(tag, self._heading)

    def _end(self, tag: str) -> None:
        if tag == "tr" and self._rows:
            self._end_row()
            return
        self.flush()
        if tag in {"ul", "ol"}:
            self._lists -= 1
        elif tag == "li":
            self._item = False
        elif tag == "pre":
            self._preformatted -= 1
        elif tag in _HEADINGS:
            self._heading = 0

    def _end_row(self) -> None:
        cells = self._rows.pop()
        if self._rows:  # a table inside a cell is part of the cell
            self._words = [" ".join(cells)]
        else:
            self._words = []
            self.transcript.add_row(cells)
