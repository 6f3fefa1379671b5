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

_BLOCK_BYTES_MAX = 80  # of one block in MessagePack, and of what precedes a name


_Numbers = tuple[int | None, int | None, int | None, int | None, int | None] | None


class Task(msgspec.Struct, frozen=True):
    """The content to read, of `length` bytes, follows."""

    media_type: str
    length: int


class Text(msgspec.Struct, frozen=True, tag=True):
    """Places are (page, sheet, row, pointer, part), with the number of a name in place of it.

    Each block has its own place, so names, which may be long, are said once.
    """

    text: str
    blocks: list[tuple[BlockKind, int, int, int, _Numbers]]
    names: list[str]


class Rejected(msgspec.Struct, frozen=True, tag=True):
    """`cause` is the kind of exception, for the log, where no reason was foreseen."""

    reason: str
    cause: str | None = None


Answer = Text | Rejected


def answer_bytes_max(limits: ExtractionLimits) -> int:
    """The length of the longest honest answer."""
    return limits.text_bytes_max + limits.blocks_max * _BLOCK_BYTES_MAX + 65_536


def encode_text(extracted: ExtractedText) -> bytes:
    names: dict[str, int] = {}

    def number(name: str | None) -> int | None:
        return None if name is None else names.setdefault(name, len(names))

    def numbers(place: Place) -> _Numbers:
        if place == NOWHERE:
            return None
        sheet, pointer, part = number(place.sheet), number(place.pointer), number(place.part)
        return place.page, sheet, place.row, pointer, part

    blocks = [(b.kind, b.start, b.end, b.level, numbers(b.place)) for b in extracted.blocks]
    return msgspec.msgpack.encode(Text(extracted.text, blocks, list(names)))


def decode_answer(payload: bytes) -> ExtractedText | Rejected:
    """Believes nothing; raises ValueError for what is not a well-formed answer."""
    answer = msgspec.msgpack.decode(payload, type=Text | Rejected)
    if isinstance(answer, Rejected):
        return answer
    blocks = tuple(
        Block(kind=kind, start=start, end=end, level=level, place=_place(numbers, answer.names))
        for kind, start, end, level, numbers in answer.blocks
    )
    return ExtractedText(text=answer.text, blocks=blocks)


def _place(numbers: _Numbers, names: list[str]) -> Place:
    if numbers is None:
        return NOWHERE
    page, sheet, row, pointer, part = numbers

    def name(number: int | None) -> str | None:
        if number is None:
            return None
        if not 0 <= number < len(names):
            raise ValueError("a place has a name that was not said")
        return names[number]

    return Place(page=page, sheet=name(sheet), row=row, pointer=name(pointer), part=name(part))
