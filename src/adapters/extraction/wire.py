"""What the service, the waiting process and its readers say to each other.

On the control socket, fixed records: the service sends COMMAND (kind, task), with one end of a
document socket where the kind is EXTRACT; the waiting process sends READY once and ENDED (task,
wait status) for each task. On a document socket: a task, then one answer, each as its length
in four bytes and MessagePack; the content follows the task.
"""

from __future__ import annotations

import struct

import msgspec

from adapters.extraction.limits import ExtractionLimits
from domain.retrieval.extracted_text import Block, BlockKind, ExtractedText

LENGTH = struct.Struct("!I")
COMMAND = struct.Struct("!BQ")
ENDED = struct.Struct("!QI")
READY = b"\x01"
EXTRACT = 1
KILL = 2
NOT_STARTED = 0xFFFF_FFFF
"""In place of a wait status: no process could be forked."""

_BLOCK_BYTES_MAX = 48  # of one block in MessagePack


class Task(msgspec.Struct, frozen=True):
    """The content to read, of `length` bytes, follows."""

    media_type: str
    length: int


class Text(msgspec.Struct, frozen=True, tag=True):
    """Blocks are (kind, start, end, level, page)."""

    text: str
    blocks: list[tuple[str, int, int, int, int | None]]


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """`cause` is the kind of exception, for the log, where no reason was foreseen."""

    reason: str
    cause: str | None = None


Answer = Text | Rejected


def answer_bytes_max(limits: ExtractionLimits) -> int:
    """The length of the longest honest answer."""
    return limits.text_bytes_max + limits.blocks_max * _BLOCK_BYTES_MAX + 65_536


def encode_text(extracted: ExtractedText) -> bytes:
    blocks = [(b.kind.value, b.start, b.end, b.level, b.page) for b in extracted.blocks]
    return msgspec.msgpack.encode(Text(extracted.text, blocks))


def decode_answer(payload: bytes) -> ExtractedText | Rejected:
    """Believes nothing; raises ValueError for what is not a well-formed answer."""
    answer = msgspec.msgpack.decode(payload, type=Text | Rejected)
    if isinstance(answer, Rejected):
        return answer
    blocks = tuple(
        Block(kind=BlockKind(kind), start=start, end=end, level=level, page=page)
        for kind, start, end, level, page in answer.blocks
    )
    return ExtractedText(text=answer.text, blocks=blocks)
