"""Words that are like a word: what is tried when nothing has the word itself.

The steps of a ladder, from the surest to the boldest. Each looks at the words of what may be
searched, and at nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum

WORDS_MAX = 64
"""Of all that are like the words of a question, no more than this are searched for."""

_PREFIX_MIN = 2
_TYPO_MIN = 4
_SUBSTRING_MIN = 3
_LIKENESS_MIN = 0.3  # as in pg_trgm; two letters that changed places leave about that


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
    degree, length_min = _DEGREES[rung]
    wanted = [word for word in asked if len(word) >= length_min]
    scored = [
        (likeness, word)
        for word in known
        if (likeness := max((degree(each, word) for each in wanted), default=0.0)) > 0
    ]
    scored.sort(key=lambda each: (-each[0], each[1]))
    return [word for _, word in scored[:WORDS_MAX]]


def _begins(asked: str, known: str) -> float:
    return len(asked) / len(known) if known.startswith(asked) else 0.0


def _contains(asked: str, known: str) -> float:
    return len(asked) / len(known) if asked in known else 0.0


def _resembles(asked: str, known: str) -> float:
    """The share of trigrams that both have (as in pg_trgm), if it is enough."""
    if abs(len(asked) - len(known)) > max(2, len(asked) // 2):
        return 0.0
    left, right = _trigrams(asked), _trigrams(known)
    shared = len(left & right)
    likeness = shared / (len(left) + len(right) - shared)
    return likeness if likeness >= _LIKENESS_MIN else 0.0


def _trigrams(word: str) -> set[str]:
    padded = f"  {word} "
    return {padded[place : place + 3] for place in range(len(padded) - 2)}


_DEGREES: dict[Rung, tuple[Callable[[str, str], float], int]] = {
    Rung.PREFIX: (_begins, _PREFIX_MIN),
    Rung.TYPO: (_resembles, _TYPO_MIN),
    Rung.SUBSTRING: (_contains, _SUBSTRING_MIN),
}
