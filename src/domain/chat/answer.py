"""Answers: their sentences, so that each can be held against what it rests on."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from domain.chat.citation import Citation

INTRODUCTION = "From the passages you may see, word for word:"
CLOSEST = "No language model could answer; these passages come closest, word for word:"
NOTHING_FOUND = "Nothing that you may see answers this."
FRAMES = frozenset({INTRODUCTION, CLOSEST, NOTHING_FOUND})
"""What is said about an answer, and claims nothing."""


class Support(StrEnum):
    """What a sentence rests on: a checked quote, a quote that was not found, or nothing at all.
    A frame needs nothing."""

    QUOTED = "quoted"
    UNVERIFIED = "unverified"
    NOTHING = "nothing"
    FRAME = "frame"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """The bytes [start, end) of an answer, and the places of the citations that overlap them."""

    start: int
    end: int
    citations: Sequence[int]
    support: Support


def sentences_of(answer: str, citations: Sequence[Citation]) -> Sequence[Sentence]:
    """All of an answer but the white space between its sentences, in order."""
    found = []
    character, byte = 0, 0
    coming = sorted(range(len(citations)), key=lambda n: citations[n].answer_start, reverse=True)
    over: list[int] = []
    for start, end in _spans(answer):
        first = byte + len(answer[character:start].encode())
        character, byte = end, first + len(answer[start:end].encode())
        while coming and citations[coming[-1]].answer_start < byte:
            over.append(coming.pop())
        over = sorted(place for place in over if first < citations[place].answer_end)
        support = _support(answer[start:end], [citations[place] for place in over])
        found.append(Sentence(start=first, end=byte, citations=list(over), support=support))
    return found


# A stop, its closing quotes, and the marks or the title in brackets that belong to it; then white
# space. A small letter after that tells of an abbreviation. Every quantifier is bounded.
_BRACKETS = r"[ \t]{0,4}(?:\[[^\[\]\n]{1,100}\]|\([^()\n]{1,300}\))"
_END = re.compile(
    rf"(?<![.!?…])[.!?…]{{1,8}}[\"'”’»]{{0,4}}(?P<marks>(?:{_BRACKETS}){{0,16}})[.,;]?(?=\s|$)"
    rf"|[。！？।؟۔]{{1,8}}[\"'”’»」』）]{{0,4}}(?:{_BRACKETS}){{0,16}}"
    r"|\n"
)
_STOP = re.compile(r"[.!?…。！？।؟۔\n]")
_SMALL_LETTER = re.compile(r"\s{1,8}[a-z]")
_CHARACTERS_MIN = 16  # less is an initial, an abbreviation or a number: "No. 5"


def _spans(answer: str) -> Iterator[tuple[int, int]]:
    """Characters [start, end) of each sentence, without the white space around it."""
    reached = at = 0
    while (stop := _STOP.search(answer, at)) is not None:
        end = _END.match(answer, stop.start())
        at = stop.end() if end is None else end.end()
        if end is None or _goes_on(answer, reached, end):
            continue
        yield from _trimmed(answer, reached, at)
        reached = at
    yield from _trimmed(answer, reached, len(answer))


def _goes_on(answer: str, reached: int, end: re.Match[str]) -> bool:
    """Whether this is the end of an abbreviation rather than of a sentence."""
    if end["marks"] or end[0][0] not in ".!?…":
        return False
    is_short = end.end() - reached < _CHARACTERS_MIN
    return is_short or _SMALL_LETTER.match(answer, end.end()) is not None


def _trimmed(answer: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    stretch = answer[start:end]
    if words := stretch.strip():
        start += len(stretch) - len(stretch.lstrip())
        yield start, start + len(words)


def _support(sentence: str, citations: Sequence[Citation]) -> Support:
    if sentence in FRAMES:
        return Support.FRAME
    if any(each.verified for each in citations):
        return Support.QUOTED
    return Support.UNVERIFIED if citations else Support.NOTHING
