"""Reads Markdown (CommonMark 0.31 with tables and strike-through) without its markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt
from markdown_it.token import Token

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.plain_text import decoded
from adapters.extraction.transcript import Transcript
from domain.retrieval.extracted_text import BlockKind, ExtractedText

# The parser needs some fifty times the memory of its input, so it is fed sections of about this
# many characters. They part at an unindented line after a blank one: it ends what is open, or
# begins another item of a list, whose text is the same in a list of its own.
_SECTION_CHARACTERS = 65_536
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.{0,20000}?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,2000}>")
# What a reader does not see of HTML between the lines; comments may be longer than a tag.
_UNSEEN = re.compile(r"<(script|style)\b.*?(?:</\1>|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL | re.I)
_PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def extract_markdown(content: bytes, limits: ExtractionLimits) -> ExtractedText:
    """Headings, paragraphs, list items, table rows and code; images leave their description."""
    transcript = Transcript(limits)
    text = decoded(content)
    front = _FRONT_MATTER.match(text)
    if front is not None:
        transcript.add(BlockKind.CODE, front[1])
        text = text[front.end() :]
    references: dict[str, object] = {}
    for section in _sections(text):
        _add_section(_PARSER.parse(section, references), transcript)
    return transcript.finish()


def _sections(text: str) -> Iterator[str]:
    lines: list[str] = []
    length, fence, blank = 0, "", True
    for line in text.splitlines(keepends=True):
        if length > _SECTION_CHARACTERS and blank and not fence and not line[0].isspace():
            yield "".join(lines)
            lines, length = [], 0
        opening = _FENCE.match(line)
        if opening is not None and not fence:
            fence = opening[1]
        elif opening is not None and opening[1].startswith(fence):
            fence = ""
        lines.append(line)
        length += len(line)
        blank = not line.strip()
    yield "".join(lines)


def _add_section(tokens: list[Token], transcript: Transcript) -> None:
    depth = 0
    item = False  # the next paragraph is the first of its list item
    heading = 0
    row: list[str] | None = None
    for token in tokens:
        match token.type:
            case (
                "bullet_list_open"
                | "ordered_list_open"
                | "bullet_list_close"
                | "ordered_list_close"
            ):
                depth += token.nesting
            case "list_item_open":
                item = True
            case "heading_open":
                heading = int(token.tag[1:])
            case "tr_open":
                row = []
            case "tr_close":
                transcript.add_row(row or [])
                row = None
            case "fence" | "code_block":
                transcript.add(BlockKind.CODE, token.content)
            case "html_block":
                transcript.add(BlockKind.PARAGRAPH, _TAG.sub(" ", _UNSEEN.sub(" ", token.content)))
            case "inline":
                words = _inline_text(token)
                if row is not None:
                    row.append(words)
                elif heading:
                    transcript.add(BlockKind.HEADING, words, level=heading)
                elif item:
                    transcript.add(BlockKind.LIST_ITEM, words, level=max(depth, 1))
                else:
                    transcript.add(BlockKind.PARAGRAPH, words)
                item, heading = False, 0


def _inline_text(token: Token) -> str:
    parts: list[str] = []
    for child in token.children or ():
        match child.type:
            case "text" | "code_inline" | "text_special" | "image":
                parts.append(child.content)
            case "softbreak":
                parts.append(" ")
            case "hardbreak":
                parts.append("\n")
    return "".join(parts)
