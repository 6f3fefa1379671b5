"""Cuts extracted text into passages: what is embedded, searched, quoted and cited.

A passage is a contiguous stretch, so that its bytes are exactly those of the text. It follows the
structure: it begins at a heading where it can, never ends in one, and parts at sentence borders;
where a section is longer than one passage, the next repeats the last sentence or two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from domain.place import NOWHERE, Place
from domain.retrieval.extracted_text import BlockKind, ExtractedText
from domain.retrieval.segments import pieces, sentences, tokens_in, whole_character

_HEADING_CHARACTERS_MAX = 200
_CHARACTERS_PER_TOKEN = 8  # or fewer; so a longer sentence need not be counted to be known as long


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkSize:
    """How long a passage may be, in estimated WordPiece tokens (see `tokens_in`).

    200 leave room for a heading path below the 256 where all-MiniLM-L6-v2 cuts its input.
    """

    tokens_max: int = 200
    overlap_tokens_max: int = 40

    def __post_init__(self) -> None:
        if not 0 <= self.overlap_tokens_max <= self.tokens_max // 2 or self.tokens_max < 2:
            raise ValueError("a chunk has two tokens or more, and overlaps by half of them at most")


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One passage: the bytes [start, end) of the text in UTF-8.

    `heading_path` names the sections around its first sentence, outermost first; `places` are
    where in the file it stands, by bytes from its start; `field` is the JSON Pointer of the
    field of a record.
    """

    start: int
    end: int
    heading_path: tuple[str, ...]
    places: tuple[tuple[int, Place], ...] = ()
    field: str | None = None

    @property
    def page(self) -> int | None:
        """The page or slide where it begins."""
        return self.places[0][1].page if self.places else None


@dataclass(slots=True)
class _Atom:
    """A sentence, or a piece of a long one; a chunk is a run of them."""

    start: int
    end: int
    tokens: int
    heading: bool
    path: tuple[str, ...]
    place: Place


def split_into_chunks(extracted: ExtractedText, size: ChunkSize | None = None) -> list[Chunk]:
    """Passages in the order of the text; together they cover all of it but white space.

    Takes time in proportion to the text. A text without anything to read has no passages.
    """
    size = size or ChunkSize()
    atoms = list(_atoms(extracted, size))
    runs = list(_runs(atoms, size))
    turns = [_turns(atoms, first, end) for first, end in runs]
    cuts = {atoms[i].start for i, _ in runs} | {atoms[j - 1].end for _, j in runs}
    at_byte = _bytes_at(
        extracted.text, sorted(cuts | {atom.start for each in turns for atom in each})
    )
    return [
        Chunk(
            start=at_byte[atoms[first].start],
            end=at_byte[atoms[end - 1].end],
            heading_path=_first_said(atoms, first, end).path,
            places=tuple(
                (at_byte[atom.start] - at_byte[atoms[first].start], atom.place) for atom in places
            ),
        )
        for (first, end), places in zip(runs, turns, strict=True)
    ]


def _atoms(extracted: ExtractedText, size: ChunkSize) -> Iterator[_Atom]:
    text = extracted.text
    path: tuple[str, ...] = ()
    levels: tuple[int, ...] = ()
    for block in extracted.blocks:
        heading = block.kind is BlockKind.HEADING
        if heading:
            kept = sum(level < block.level for level in levels)
            levels = (*levels[:kept], block.level)
            path = (*path[:kept], _title(text, block.start, block.end))
        for start, end in sentences(text, block.start, block.end):
            if end - start <= size.tokens_max * _CHARACTERS_PER_TOKEN:
                tokens = tokens_in(text, start, end)
                if tokens <= size.tokens_max // 2:
                    yield _Atom(start, end, tokens, heading, path, block.place)
                    continue
            piece_max = max(1, size.overlap_tokens_max or size.tokens_max // 2)
            for left, right in pieces(text, start, end, piece_max):
                yield _Atom(left, right, tokens_in(text, left, right), heading, path, block.place)


def _runs(atoms: Sequence[_Atom], size: ChunkSize) -> Iterator[tuple[int, int]]:
    """Half-open runs of atoms, one for each chunk."""
    first = fresh = 0  # a run starts at `first`; the atoms before `fresh` were said already
    while fresh < len(atoms):
        end = _run_end(atoms, first, fresh, size)
        yield first, end
        first, fresh = _overlap_start(atoms, first, end, size), end


def _run_end(atoms: Sequence[_Atom], first: int, fresh: int, size: ChunkSize) -> int:
    tokens = sum(atom.tokens for atom in atoms[first:fresh])
    section = None  # where a new section begins after enough was said
    end = fresh
    while end < len(atoms) and (end == fresh or tokens + atoms[end].tokens <= size.tokens_max):
        atom = atoms[end]
        begins = atom.heading and end > first and not atoms[end - 1].heading
        if section is None and begins and tokens >= size.tokens_max // 4:
            section = end
        tokens += atom.tokens
        end += 1
    if end == len(atoms) and first == 0:
        return end  # all of a short document
    if section is not None:
        return section
    said = end
    while said > fresh + 1 and atoms[said - 1].heading and said < len(atoms):
        said -= 1
    return end if atoms[said - 1].heading else said


def _overlap_start(atoms: Sequence[_Atom], first: int, end: int, size: ChunkSize) -> int:
    """Where the next run starts: up to two sentences back, in the same section."""
    if end == len(atoms) or atoms[end].heading:
        return end
    room = min(size.overlap_tokens_max, size.tokens_max - atoms[end].tokens)
    start = end
    while start - 1 > first and end - start < 2:
        before = atoms[start - 1]
        if before.heading or before.tokens > room:
            break
        room -= before.tokens
        start -= 1
    return start


def _turns(atoms: Sequence[_Atom], first: int, end: int) -> list[_Atom]:
    """The atoms of a run with which another place begins; none where no place is known."""
    turns: list[_Atom] = []
    for atom in atoms[first:end]:
        if atom.place != (turns[-1].place if turns else NOWHERE):
            turns.append(atom)
    return turns


def _first_said(atoms: Sequence[_Atom], first: int, end: int) -> _Atom:
    return next((atom for atom in atoms[first:end] if not atom.heading), atoms[first])


def _title(text: str, start: int, end: int) -> str:
    cut = min(end, start + _HEADING_CHARACTERS_MAX)
    return " ".join(text[start : whole_character(text, cut, start)].split())


def _bytes_at(text: str, places: Sequence[int]) -> dict[int, int]:
    """The byte offsets of ascending character offsets, in one walk."""
    if text.isascii():
        return {place: place for place in places}
    at_byte, reached, count = {}, 0, 0
    for place in places:
        count += len(text[reached:place].encode())
        at_byte[place], reached = count, place
    return at_byte
