"""Words that are like a word: what is tried when nothing has the word itself.

The steps of a ladder, from the surest to the boldest. Each looks at the words of what may be
searched, and at nothing else.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

from domain.retrieval.words import sets_no_spaces

WORDS_MAX = 64
"""Of all that are like the words of a question, no more than this are searched for."""

Span = tuple[str, str]
"""Where words lie in the order of code points: from the one on, and below the other."""

_NUMBERS, _OTHERS = ("0", ":"), (":", "\U0010ffff")
_PREFIX_MIN = 2
_TYPO_MIN = 4
_SUBSTRING_MIN = 3
_LIKENESS_MIN = 0.3  # as in pg_trgm
_ENDING_MAX = 3  # letters that a stemmer takes away, and may be taken for one that was mistyped
_CUT_MAX = 2  # letters, of a word within another, that it takes away


class Rung(StrEnum):
    """By what words were found: as they were asked for, by their beginning, in spite of a typing
    error, inside of others; or not at all."""

    WORDS = "words"
    PREFIX = "prefix"
    TYPO = "typo"
    SUBSTRING = "substring"
    NONE = "none"


def like(rung: Rung, asked: Sequence[str], known: Iterable[str]) -> list[str]:
    """Of the known words those that are like one of the asked ones, the likest first.

    All are in folded case. What is too short to be like anything is passed over.
    """
    degree, wanted = _DEGREES[rung][0], _wanted(rung, asked)
    scored = [
        (likeness, word)
        for word in known
        if (likeness := max((degree(each, word) for each in wanted), default=0.0)) > 0
    ]
    scored.sort(key=lambda each: (-each[0], each[1]))
    return [word for _, word in scored[:WORDS_MAX]]


def spans_of(rung: Rung, asked: Iterable[str]) -> Sequence[Span]:
    """Where words lie that may be like one of the asked ones, the likeliest first, each place once.

    Typing errors seldom change what a word begins with, but that its first letters change places;
    and there can be very many numbers, which are no help unless a number was asked for.
    """
    wanted = _wanted(rung, asked)
    if not wanted:
        return []
    if rung is Rung.PREFIX:
        return _parted((word, _after(word)) for word in wanted)
    near = {letter for word in wanted for letter in word[:2]} if rung is Rung.TYPO else set()
    likely = _parted((letter, _after(letter)) for letter in near)
    is_number = any(word[0].isdecimal() for word in wanted)
    further = (_NUMBERS, _OTHERS) if is_number else (_OTHERS, _NUMBERS)
    return [*likely, *(left for span in further for left in _without(span, likely))]


def place_in(spans: Sequence[Span]) -> Callable[[str], int | None]:
    """Tells in which of the spans a word lies, if in any."""
    ordered = sorted((low, high, place) for place, (low, high) in enumerate(spans))
    lows = [low for low, _, _ in ordered]

    def place(word: str) -> int | None:
        at = bisect_right(lows, word) - 1
        return ordered[at][2] if at >= 0 and word < ordered[at][1] else None

    return place


def _wanted(rung: Rung, asked: Iterable[str]) -> Sequence[str]:
    """Korean glues particles to nouns, many of which are one syllable."""
    length_min = _DEGREES[rung][1]
    return [
        word
        for word in asked
        if len(word) >= length_min or (rung is Rung.PREFIX and sets_no_spaces(word))
    ]


def _parted(spans: Iterable[Span]) -> Sequence[Span]:
    """Those that lie in no other; of words that begin alike, the spans lie in one another."""
    parted: list[Span] = []
    for span in sorted(set(spans)):
        if not parted or span[0] >= parted[-1][1]:
            parted.append(span)
    return parted


def _without(span: Span, taken: Sequence[Span]) -> Iterable[Span]:
    """What is left of a span; those taken are in order."""
    low, high = span
    for begin, end in taken:
        if begin < high and end > low:
            if low < begin:
                yield low, begin
            low = end
    if low < high:
        yield low, high


def _after(beginning: str) -> str:
    """Below it lies everything that begins so. Words have no surrogates."""
    code = ord(beginning[-1]) + 1
    return beginning[:-1] + chr(0xE000 if code == 0xD800 else code)


def _begins(asked: str, known: str) -> float:
    return len(asked) / len(known) if known.startswith(asked) else 0.0


def _contains(asked: str, known: str) -> float:
    """A known word is a stem, whose end may lack what the asked one has: `karte`, of `bankkart`."""
    is_last = len(asked) > _TYPO_MIN and any(
        known.endswith(asked[:-cut]) for cut in range(1, min(_CUT_MAX, len(asked) - _TYPO_MIN) + 1)
    )
    return min(1.0, len(asked) / len(known)) if is_last or asked in known else 0.0


def _resembles(asked: str, known: str) -> float:
    """The share of trigrams that both have (as in pg_trgm), if it is enough, or if one slip tells
    them apart: of a short word that leaves few trigrams."""
    if abs(len(asked) - len(known)) > max(2, len(asked) // 2):
        return 0.0
    if _is_slip(asked, known):
        return 1 - 1 / len(asked)
    left, right = _trigrams(asked), _trigrams(known)
    shared = len(left & right)
    likeness = shared / (len(left) + len(right) - shared)
    return likeness if likeness >= _LIKENESS_MIN else 0.0


def _is_slip(asked: str, known: str) -> bool:
    """Whether one letter is wrong, missing or too much, or two have changed places (Damerau, 1964).

    A known word is a stem: `recieve` is a slip of `receiv`, and a few letters may be left over.
    """
    if len(known) < _TYPO_MIN - 1:
        return False
    at = 0
    for left, right in zip(asked, known, strict=False):
        if left != right:
            break
        at += 1
    typed, meant = asked[at:], known[at:]
    rests = [(typed[1:], meant[1:]), (typed[1:], meant), (typed, meant[1:])]
    if typed[:2] == meant[1::-1]:
        rests.append((typed[2:], meant[2:]))
    # Without letters after the slip that agree, an ending could be anything.
    return any(
        left.startswith(right) and len(left) - len(right) <= (_ENDING_MAX if right else 0)
        for left, right in rests
    )


def _trigrams(word: str) -> set[str]:
    padded = f"  {word} "
    return {padded[place : place + 3] for place in range(len(padded) - 2)}


_DEGREES: dict[Rung, tuple[Callable[[str, str], float], int]] = {
    Rung.PREFIX: (_begins, _PREFIX_MIN),
    Rung.TYPO: (_resembles, _TYPO_MIN),
    Rung.SUBSTRING: (_contains, _SUBSTRING_MIN),
}
