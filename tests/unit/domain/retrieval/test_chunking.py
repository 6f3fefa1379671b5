"""Laws of chunking: exact bytes, full cover, bounded length, whole characters, linear time."""

from __future__ import annotations

import time
import unicodedata
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.place import NOWHERE, Place, place_at
from domain.retrieval.chunking import Chunk, ChunkSize, split_into_chunks
from domain.retrieval.extracted_text import Block, BlockKind, ExtractedText
from domain.retrieval.segments import tokens_in

_WORDS = st.sampled_from(
    [
        *("the", "vault.", "Dr.", "keeps?", "3.5%", "a\u0301", "e\u0308\u0323", "नमस्ते", "漢字文。"),
        *("สวัสดี", "مرحبا؟", "👩\u200d👩\u200d👧\u200d👦", "🇩🇪🇫🇷", "👍🏽", "한국어", "x\ny", "..."),
        *("ab1cd2", "Donaudampfschifffahrtsgesellschaft", "\u1112\u1161\u11ab"),
    ]
)
_PROSE = st.lists(_WORDS, min_size=1, max_size=60).flatmap(
    lambda words: st.sampled_from([" ", "", "\n", ". "]).map(lambda gap: gap.join(words))
)
_ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=80)
_BLOCKS = st.lists(
    st.tuples(st.sampled_from(BlockKind), st.one_of(_PROSE, _ANY_TEXT), st.integers(1, 4)),
    max_size=12,
)
_SIZES = st.sampled_from(
    [
        ChunkSize(),
        ChunkSize(tokens_max=20, overlap_tokens_max=8),
        ChunkSize(tokens_max=6, overlap_tokens_max=0),
        ChunkSize(tokens_max=2, overlap_tokens_max=1),
    ]
)


def _extracted(parts: list[tuple[BlockKind, str, int]]) -> ExtractedText:
    text, blocks = "", []
    for kind, words, level in parts:
        if not words.strip():
            continue
        text += "\n\n" if text else ""
        start = len(text)
        text += words.strip()
        level = level if kind in {BlockKind.HEADING, BlockKind.LIST_ITEM} else 0
        place = Place(row=level, sheet=words[:1]) if level else NOWHERE
        blocks.append(Block(kind=kind, start=start, end=len(text), level=level, place=place))
    return ExtractedText(text=text, blocks=tuple(blocks))


def _passage(extracted: ExtractedText, chunk: Chunk) -> str:
    return extracted.text.encode()[chunk.start : chunk.end].decode()


@given(_BLOCKS, _SIZES)
def test_bytes_are_exact_and_every_visible_character_is_in_some_passage(
    parts: list[tuple[BlockKind, str, int]], size: ChunkSize
) -> None:
    extracted = _extracted(parts)
    stored = extracted.text.encode()
    chunks = split_into_chunks(extracted, size)

    reached = 0
    for before, chunk in zip([None, *chunks], chunks, strict=False):
        assert stored[chunk.start : chunk.end].decode() in extracted.text
        assert before is None or (before.start < chunk.start and before.end < chunk.end)
        assert chunk.start <= reached or not stored[reached : chunk.start].decode().strip()
        reached = chunk.end
    assert not stored[reached:].decode().strip()


@given(_BLOCKS, _SIZES)
def test_every_word_of_a_passage_knows_its_place_in_the_file(
    parts: list[tuple[BlockKind, str, int]], size: ChunkSize
) -> None:
    extracted = _extracted(parts)
    starts = [len(extracted.text[: block.start].encode()) for block in extracted.blocks]
    ends = [len(extracted.text[: block.end].encode()) for block in extracted.blocks]
    for chunk in split_into_chunks(extracted, size):
        for block, start, end in zip(extracted.blocks, starts, ends, strict=True):
            for at in {max(start, chunk.start), min(end, chunk.end) - 1}:
                if max(start, chunk.start) <= at < min(end, chunk.end):
                    assert place_at(chunk.places, at - chunk.start) == block.place


@given(_BLOCKS, _SIZES)
def test_no_passage_is_longer_than_allowed(
    parts: list[tuple[BlockKind, str, int]], size: ChunkSize
) -> None:
    extracted = _extracted(parts)
    for chunk in split_into_chunks(extracted, size):
        passage = _passage(extracted, chunk)
        # Sentences are counted one by one; a cluster too long for a passage stays whole.
        assert tokens_in(passage, 0, len(passage)) <= 2 * size.tokens_max + 64


@given(_PROSE, _SIZES)
def test_passages_never_part_a_mark_a_joined_emoji_or_a_flag(prose: str, size: ChunkSize) -> None:
    extracted = _extracted([(BlockKind.PARAGRAPH, prose, 1)])
    text, stored = extracted.text, extracted.text.encode()
    for chunk in split_into_chunks(extracted, size):
        for at in (len(stored[: chunk.start].decode()), len(stored[: chunk.end].decode())):
            if 0 < at < len(text):
                assert unicodedata.category(text[at]) not in {"Mn", "Me", "Mc"}
                assert "\u200d" not in (text[at - 1], text[at])
                assert not "\U0001f3fb" <= text[at] <= "\U0001f3ff"


def test_a_short_document_is_one_passage() -> None:
    extracted = _extracted(
        [(BlockKind.HEADING, "Title", 1), (BlockKind.PARAGRAPH, "Some words. And more.", 0)]
    )
    (only,) = split_into_chunks(extracted)
    assert _passage(extracted, only) == extracted.text
    assert only.heading_path == ("Title",)


def test_nothing_to_read_has_no_passages() -> None:
    assert split_into_chunks(ExtractedText(text=" \n ", blocks=())) == []


def test_a_heading_stays_with_what_follows_and_names_its_section() -> None:
    said = "The vault keeps what it was given, and tells nobody about it. " * 9
    extracted = _extracted(
        [
            (BlockKind.HEADING, "Keys", 1),
            (BlockKind.PARAGRAPH, said, 0),
            (BlockKind.HEADING, "Rotation", 2),
            (BlockKind.PARAGRAPH, said, 0),
            (BlockKind.HEADING, "Loss", 2),
            (BlockKind.PARAGRAPH, said, 0),
        ]
    )
    chunks = split_into_chunks(extracted)
    assert [chunk.heading_path for chunk in chunks] == [
        ("Keys",),
        ("Keys", "Rotation"),
        ("Keys", "Loss"),
    ]
    assert [_passage(extracted, chunk).split("\n")[0] for chunk in chunks] == [
        "Keys",
        "Rotation",
        "Loss",
    ]


def test_a_long_section_repeats_whole_sentences_from_one_passage_to_the_next() -> None:
    said = " ".join(f"This is the sentence with number {number} of them." for number in range(80))
    extracted = _extracted([(BlockKind.PARAGRAPH, said, 0)])
    chunks = split_into_chunks(extracted)
    assert len(chunks) > 3
    for before, chunk in pairwise(chunks):
        repeated = extracted.text.encode()[chunk.start : before.end].decode()
        assert 1 <= repeated.count("This is the sentence") <= 2
        assert _passage(extracted, chunk).startswith("This is the sentence")


def test_passages_carry_the_page_where_they_begin() -> None:
    pages = ["The first page says very much about the matter. " * 30, "And the second page too."]
    text = "\n\n".join(page.strip() for page in pages)
    cut = len(pages[0].strip())
    extracted = ExtractedText(
        text=text,
        blocks=(
            Block(kind=BlockKind.PARAGRAPH, start=0, end=cut, place=Place(page=1)),
            Block(kind=BlockKind.PARAGRAPH, start=cut + 2, end=len(text), place=Place(page=2)),
        ),
    )
    found = [chunk.page for chunk in split_into_chunks(extracted)]
    assert found[0] == 1
    assert set(found) <= {1, 2}


@pytest.mark.parametrize("unit", ["a", "words and more ", ".", "漢", "e\u0301", "x\n", "👩\u200d"])
def test_time_grows_with_the_length_and_no_faster(unit: str) -> None:
    def seconds(characters: int) -> float:
        extracted = _extracted([(BlockKind.PARAGRAPH, unit * (characters // len(unit)), 0)])
        began = time.thread_time()
        split_into_chunks(extracted)
        return time.thread_time() - began

    # Eight times where it grows with the length, 64 where it grows with its square.
    short, long = (min(seconds(length) for _ in range(3)) for length in (50_000, 400_000))
    assert long < 24 * short


def test_text_outside_the_blocks_or_a_nul_makes_no_extracted_text() -> None:
    block = Block(kind=BlockKind.PARAGRAPH, start=0, end=1)
    for text in ("ab", "a\0"):
        with pytest.raises(ValueError, match=r"outside|NUL"):
            ExtractedText(text=text, blocks=(block,))
    with pytest.raises(ValueError, match="overlap"):
        ExtractedText(text="a", blocks=(block, block))
