"""Records as text: each searchable field is a stretch of it, and never shares a passage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from domain.retrieval.chunking import Chunk, split_into_chunks
from domain.retrieval.extracted_text import Block, BlockKind, ExtractedText


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordField:
    """A field that may be searched: its JSON Pointer, what its place is called, what it says."""

    pointer: str
    labels: tuple[str, ...]
    text: str


def laid_out(fields: Sequence[RecordField]) -> tuple[str, list[Chunk]]:
    """The text of a record, a line or more for each field, and its passages in order.

    Every passage lies within one field and names it, so that who may see some fields finds
    passages of these alone.
    """
    texts: list[str] = []
    chunks: list[Chunk] = []
    reached = 0
    for field in fields:
        whole = Block(kind=BlockKind.PARAGRAPH, start=0, end=len(field.text))
        for chunk in split_into_chunks(ExtractedText(text=field.text, blocks=(whole,))):
            chunks.append(
                replace(
                    chunk,
                    start=reached + chunk.start,
                    end=reached + chunk.end,
                    heading_path=field.labels,
                    field=field.pointer,
                )
            )
        texts.append(field.text)
        reached += len(field.text.encode()) + 1
    return "\n".join(texts), chunks
