"""What the service, the waiting process and its readers say to each other.

On the control socket, fixed records: the service sends COMMAND (kind, task), with one end of a
document socket where the kind is EXTRACT; the waiting process sends READY once and ENDED (task,
wait status) for each task. On a document socket: a task, then one answer, each as its length
in four bytes and MessagePack; the content follows the task.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import msgspec

from adapters.extraction.limits import ExtractionLimits
from domain.place import NOWHERE, Place
from domain.retrieval.extracted_text import Block, BlockKind, ExtractedText

LENGTH = struct.Struct("!I")
COMMAND = struct.Struct("!BQ")
ENDED = struct.Struct("!QI")
READY = b"\x01"
EXTRACT = 1
KILL = 2
NOT_STARTED = 0xFFFF_FFFF
"""In place of a wait status: no process could be forked."""

_BLOCK = struct.Struct("!BIIIIIQII")  # kind, start, end, level, page, sheet, row, pointer, part
_NAME_BYTES_MAX = 5  # before a name in MessagePack
_KINDS = tuple(BlockKind)


class Task(msgspec.Struct, frozen=True):
    """The content to read, of `length` bytes, follows."""

    media_type: str
    length: int


class Text(msgspec.Struct, frozen=True, tag=True):
    """`blocks` are packed one after the other, and `names` said once, for every block has its own
    place. Names are numbered from 1; 0 is for what a place does not have."""

    text: str
    blocks: bytes
    names: list[str]


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """`cause` is the kind of exception, for the log, where no reason was foreseen."""

    reason: str
    cause: str | None = None


Answer = Text | Rejected


def answer_bytes_max(limits: ExtractionLimits) -> int:
    """The length of the longest honest answer. Names count as text, and a block has three."""
    of_blocks = limits.blocks_max * (_BLOCK.size + 3 * _NAME_BYTES_MAX)
    return limits.text_bytes_max + of_blocks + 65_536


def encode_text(extracted: ExtractedText) -> bytes:
    names: dict[str, int] = {}

    def number(name: str | None) -> int:
        return 0 if name is None else names.setdefault(name, len(names) + 1)

    blocks = bytearray()
    for block in extracted.blocks:
        kind, place = _KINDS.index(block.kind), block.place
        blocks += _BLOCK.pack(
            *(kind, block.start, block.end, block.level, place.page or 0, number(place.sheet)),
            *(place.row or 0, number(place.pointer), number(place.part)),
        )
    return msgspec.msgpack.encode(Text(extracted.text, bytes(blocks), list(names)))


def decode_answer(payload: bytes) -> ExtractedText | Rejected:
    """Believes nothing; raises ValueError for what is not a well-formed answer."""
    answer = msgspec.msgpack.decode(payload, type=Text | Rejected)
    if isinstance(answer, Rejected):
        return answer
    try:
        blocks = tuple(_blocks(answer))
    except (struct.error, IndexError) as error:
        raise ValueError("blocks are not packed as agreed") from error
    return ExtractedText(text=answer.text, blocks=blocks)


def _blocks(answer: Text) -> Iterator[Block]:
    names: list[str | None] = [None, *answer.names]
    for packed in _BLOCK.iter_unpack(answer.blocks):
        kind, start, end, level, page, sheet, row, pointer, part = packed
        known = page or sheet or row or pointer or part
        yield Block(
            kind=_KINDS[kind],
            start=start,
            end=end,
            level=level,
            place=Place(
                page=page or None,
                sheet=names[sheet],
                row=row or None,
                pointer=names[pointer],
                part=names[part],
            )
            if known
            else NOWHERE,
        )
