"""What a reader answers arrives as it was, and what is not an answer is not believed."""

from __future__ import annotations

import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.extraction.limits import ExtractionLimits
from adapters.extraction.wire import (
    Rejected,
    Text,
    answer_bytes_max,
    decode_answer,
    encode_text,
)
from domain.place import NOWHERE, Place
from domain.retrieval.extracted_text import Block, BlockKind, ExtractedText

_NAMES = st.none() | st.text(st.characters(codec="utf-8"), max_size=9)
_PLACES = st.just(NOWHERE) | st.builds(
    Place,
    page=st.none() | st.integers(1, 2_000),
    sheet=_NAMES,
    row=st.none() | st.integers(1, 10**15),
    pointer=_NAMES,
    part=_NAMES,
)
_BLOCKS = st.lists(st.tuples(st.sampled_from(BlockKind), st.integers(1, 9), _PLACES), max_size=9)


@given(_BLOCKS)
def test_a_text_arrives_with_all_its_places(parts: list[tuple[BlockKind, int, Place]]) -> None:
    blocks = tuple(
        Block(kind=kind, start=2 * at, end=2 * at + 1, level=level, place=place)
        for at, (kind, level, place) in enumerate(parts)
    )
    extracted = ExtractedText(text="é " * len(parts), blocks=blocks)
    assert decode_answer(encode_text(extracted)) == extracted


def test_the_longest_honest_answer_is_let_through() -> None:
    limits = ExtractionLimits(text_bytes_max=2_000_000, blocks_max=1_000)
    names = [f"{n:0999}" for n in range(1_000)]
    blocks = tuple(
        Block(kind=BlockKind.CODE, start=2 * at, end=2 * at + 1, place=Place(pointer=name))
        for at, name in enumerate(names)
    )
    answer = encode_text(ExtractedText(text="x " * 1_000, blocks=blocks))
    assert len(answer) <= answer_bytes_max(limits)


def _packed(kind: int, start: int, end: int, part: int = 0) -> bytes:
    return struct.pack("!BIIIIIQII", kind, start, end, 0, 0, 0, 0, 0, part)


@pytest.mark.parametrize(
    ("blocks", "reason"),
    [
        (_packed(9, 0, 1), "agreed"),
        (_packed(1, 0, 1, part=1), "agreed"),
        (_packed(1, 0, 1)[:-1], "agreed"),
        (_packed(1, 0, 0), "one character"),
        (_packed(1, 0, 2), "leave the text"),
        (b"", "outside the blocks"),
    ],
)
def test_blocks_that_are_not_as_agreed_are_not_believed(blocks: bytes, reason: str) -> None:
    assert decode_answer(msgspec.msgpack.encode(Text("a", _packed(1, 0, 1), [])))
    with pytest.raises(ValueError, match=reason):
        decode_answer(msgspec.msgpack.encode(Text("a", blocks, [])))


def test_what_is_no_answer_is_not_believed() -> None:
    for payload in (b"", b"\xc1", msgspec.msgpack.encode({"type": "Text"}), b"\x00" * 99):
        with pytest.raises(ValueError, match=r"\w"):
            decode_answer(payload)
    assert decode_answer(msgspec.msgpack.encode(Rejected("No."))) == Rejected("No.")
