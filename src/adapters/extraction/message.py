"""Reads mail messages (EML): who wrote to whom, the text, and the attachments that can be read.

Parts are named as IMAP numbers them. An attachment is read as a document of its own would be, by
its content; one that cannot be read leaves its name.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import msgspec

from adapters.extraction.content_type import EML, HEAD_BYTES, TAIL_BYTES, media_type_of
from adapters.extraction.html import extract_html
from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.mime import Entity
from adapters.extraction.plain_text import extract_plain_text
from adapters.extraction.transcript import Transcript
from domain.place import Place
from domain.retrieval.extracted_text import BlockKind, ExtractedText
from domain.retrieval.rejection import NO_TEXT, DocumentRejected, deeper_than, more_than

Extract = Callable[[bytes, str, ExtractionLimits], ExtractedText]

_MESSAGES = frozenset({"message/rfc822", "message/global"})
_TEXTS = frozenset({"text/plain", "text/html"})
_SHOWN = ("From", "To", "Cc", "Date")
_HEADING_LEVEL_MAX = 6


def extract_message(content: bytes, limits: ExtractionLimits, extract: Extract) -> ExtractedText:
    """The subject is a heading, as are the names of attachments; `extract` reads these."""
    reader = _Reader(limits, extract)
    reader.read_message(Entity(content, 0, len(content), limits), "", 1, 1)
    return reader.transcript.finish("The message has no text.")


class _Reader:
    """`number` is that of a part, `depth` in how many it lies, `level` in how many messages."""

    def __init__(self, limits: ExtractionLimits, extract: Extract) -> None:
        self.transcript = Transcript(limits)
        self._limits = limits
        self._extract = extract
        self._parts = 0
        self._attachments: list[tuple[Entity, str, int]] = []

    def read_message(self, message: Entity, number: str, depth: int, level: int) -> None:
        """The texts first, so that none of them stands under the name of an attachment."""
        place = Place(part=number or None)
        heading = min(level, _HEADING_LEVEL_MAX)
        self.transcript.add(BlockKind.HEADING, message.shown("subject"), level=heading, place=place)
        shown = [(name, message.shown(name.lower())) for name in _SHOWN]
        lines = "\n".join(f"{name}: {value}" for name, value in shown if value)
        self.transcript.add(BlockKind.PARAGRAPH, lines, place=place)
        if message.kind.startswith("multipart/"):
            self._read_parts(message, number, depth, level)
        else:
            self._read(message, _below(number, 1), depth, level)
        attachments, self._attachments = self._attachments, []
        for entity, own, deep in attachments:
            self._read_attachment(entity, own, deep, level + 1)

    def _read(self, entity: Entity, number: str, depth: int, level: int) -> bool:
        """True where it left a text."""
        self._parts += 1
        if self._parts > self._limits.message_parts_max:
            raise more_than(self._limits.message_parts_max, "parts")
        if depth > self._limits.message_nesting_max:
            raise deeper_than(self._limits.message_nesting_max)
        if entity.kind.startswith("multipart/"):
            return self._read_parts(entity, number, depth, level)
        if entity.kind in _TEXTS and not entity.is_attached and not entity.filename:
            return self._read_text(entity, number, level)
        self._attachments.append((entity, number, depth))
        return False

    def _read_parts(self, entity: Entity, number: str, depth: int, level: int) -> bool:
        few = itertools.islice(entity.parts(), self._limits.message_parts_max + 1)
        numbered = [(part, _below(number, at)) for at, part in enumerate(few, start=1)]
        if entity.kind != "multipart/alternative":
            read = [self._read(part, own, depth + 1, level) for part, own in numbered]
            return any(read)
        # The same in several forms, the richest last (RFC 2046, section 5.1.4).
        return any(self._read(part, own, depth + 1, level) for part, own in reversed(numbered))

    def _read_text(self, entity: Entity, number: str, level: int) -> bool:
        extract = extract_html if entity.kind == "text/html" else extract_plain_text
        try:
            extracted = extract(entity.text().encode("utf-8", "replace"), self._left())
        except DocumentRejected as rejected:
            if rejected.message != NO_TEXT:
                raise
            return False
        self._include(extracted, number, level)
        return True

    def _read_attachment(self, entity: Entity, number: str, depth: int, level: int) -> None:
        content = entity.body() or b""
        kind = media_type_of(content[:HEAD_BYTES], content[-TAIL_BYTES:])
        if entity.kind in _MESSAGES or kind == EML:
            message = Entity(content, 0, len(content), self._limits)
            self.read_message(message, number, depth + 1, level)
            return
        extracted = self._attached(content, kind)
        place = Place(part=number)
        if extracted is not None:
            heading = min(level, _HEADING_LEVEL_MAX)
            self.transcript.add(BlockKind.HEADING, entity.filename, level=heading, place=place)
            self._include(extracted, number, level)
        elif entity.filename and not entity.is_within_text:
            self.transcript.add(BlockKind.PARAGRAPH, f"Attachment: {entity.filename}", place=place)

    def _attached(self, content: bytes, kind: str | None) -> ExtractedText | None:
        if kind is None:
            return None
        try:
            return self._extract(content, kind, self._left())
        except (MemoryError, RecursionError):
            raise
        except Exception:  # noqa: BLE001 - whatever a parser raises is about this attachment
            return None

    def _left(self) -> ExtractionLimits:
        return msgspec.structs.replace(
            self._limits, text_bytes_max=max(1, self.transcript.bytes_left)
        )

    def _include(self, extracted: ExtractedText, number: str, above: int) -> None:
        for block in extracted.blocks:
            level = block.level
            if block.kind is BlockKind.HEADING:
                level = min(level + above, _HEADING_LEVEL_MAX)
            self.transcript.add(
                block.kind,
                extracted.text[block.start : block.end],
                level=level,
                place=replace(block.place, part=number),
            )


def _below(number: str, at: int) -> str:
    return f"{number}.{at}" if number else str(at)
