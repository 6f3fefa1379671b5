"""Cuts text into sentences, and what has no sentences into pieces, at places that do not hurt.

Everything here is linear in the length of the text, whatever the text: each quantifier is
bounded, and each search backwards ends after a fixed number of characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

Span = tuple[int, int]
"""Characters [start, end) of a text."""

# An English BERT vocabulary has most English words whole, and few others. Signs are a token each.
_ENGLISH_PART = r"(?:[A-Za-z]{1,7}|[0-9]{1,2}|[^\sA-Za-z0-9])"
_FOREIGN_PART = r"(?:[A-Za-z]{1,4}|[0-9]{1,2}|[^\sA-Za-z0-9])"
_ENGLISH = re.compile(
    r"\b(?:the|of|and|for|with|are|that|this|from|by|your|you|or|it|which|have)\b", re.IGNORECASE
)
_TOKENS = {True: re.compile(_ENGLISH_PART), False: re.compile(_FOREIGN_PART)}
# A stop, its closing quotes, then white space; or a stop of a script that sets no spaces. A small
# letter after the space tells of an abbreviation rather than of a new sentence.
_SENTENCE_END = re.compile(
    r"(?<![.!?…])[.!?…]{1,8}[\"'”’»)\]]{0,4}(?=\s)(?!\s{1,8}[a-z])"
    r"|[。！？।؟۔]{1,8}[\"'”’»」』）)\]]{0,4}"
    r"|\n"
)
_SENTENCE_CHARACTERS_MIN = 16  # less is an initial, an abbreviation or a number: "No. 5"
_EXTENDING = frozenset({"Mn", "Me", "Mc"})
_JOINER = "\u200d"
_CLUSTER_CHARACTERS_MAX = 32


def tokens_in(text: str, start: int, end: int) -> int:
    """About how many WordPiece tokens an English BERT vocabulary needs; rather too many.

    Fitted to the tokenizer of all-MiniLM-L6-v2 on English, German, Hindi and Chinese text.
    """
    english = _ENGLISH.search(text, start, end) is not None
    return len(_TOKENS[english].findall(text, start, end))


def sentences(text: str, start: int, end: int) -> Iterator[Span]:
    """The sentences of a stretch, in order and without the white space around them."""
    reached = start
    for stop in _SENTENCE_END.finditer(text, start, end):
        if stop.end() - reached < _SENTENCE_CHARACTERS_MIN:
            continue
        cut = whole_character(text, stop.end(), reached)
        span = trimmed(text, reached, cut)
        if span is not None:
            yield span
            reached = cut
    span = trimmed(text, reached, end)
    if span is not None:
        yield span


def pieces(text: str, start: int, end: int, tokens_max: int) -> Iterator[Span]:
    """Cut a long stretch into pieces of `tokens_max` at most: between words, else inside one."""
    run = _runs_of(tokens_max)
    reached = start
    while (found := run.match(text, reached, end)) is not None:
        cut = found.end()
        if cut < end and not text[cut].isspace():
            space = text.rfind(" ", reached, cut)
            in_word = space <= found.start() or text[reached:space].isspace()
            cut = min(end, whole_character(text, cut, reached)) if in_word else space
        span = trimmed(text, reached, cut)
        if span is not None:
            yield span
        reached = cut


def trimmed(text: str, start: int, end: int) -> Span | None:
    """The stretch without the white space around it; None when there is nothing else."""
    stretch = text[start:end]
    without_left = stretch.lstrip()
    if not without_left:
        return None
    left = start + len(stretch) - len(without_left)
    return _with_base(text, left, start), left + len(without_left.rstrip())


def whole_character(text: str, at: int, lowest: int) -> int:
    """A place near `at`, and after `lowest`, that parts no grapheme cluster: before it if possible.

    Follows the rules of Unicode Standard Annex 29 that matter in composed text. A cluster longer
    than 32 characters is no writing, and is cut; then `at` itself is returned.
    """
    place = at
    while place > max(lowest, at - _CLUSTER_CHARACTERS_MAX):
        if not _joins(text, place):
            return place
        place -= 1
    for place in range(at + 1, at + _CLUSTER_CHARACTERS_MAX):
        if not _joins(text, place):
            return place
    return at


@lru_cache(maxsize=8)
def _runs_of(tokens_max: int) -> re.Pattern[str]:
    return re.compile(rf"(?:\s*+{_FOREIGN_PART}){{1,{tokens_max}}}")


def _with_base(text: str, at: int, lowest: int) -> int:
    # A mark that stands on a space belongs to that space.
    return at - 1 if at > lowest and _joins(text, at) else at


def _joins(text: str, at: int) -> bool:
    """Whether the characters before and after this place belong to one grapheme cluster."""
    if at >= len(text):
        return False
    before, after = text[at - 1], text[at]
    if after < "\u0300":
        return before == "\r" and after == "\n"
    if before in "\r\n":
        return False
    if after == _JOINER or unicodedata.category(after) in _EXTENDING:
        return True
    if before == _JOINER or "\U0001f3fb" <= after <= "\U0001f3ff":
        return True
    if "\U000e0020" <= after <= "\U000e007f":
        return True
    if _is_flag_letter(before) and _is_flag_letter(after):
        return _flag_letters_before(text, at) % 2 == 1
    return _is_hangul_part(after) and _is_hangul(before)


def _is_flag_letter(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _flag_letters_before(text: str, at: int) -> int:
    count = 0
    while count < _CLUSTER_CHARACTERS_MAX and at > count and _is_flag_letter(text[at - count - 1]):
        count += 1
    return count


def _is_hangul_part(character: str) -> bool:
    return "\u1160" <= character <= "\u11ff" or "\ud7b0" <= character <= "\ud7fb"


def _is_hangul(character: str) -> bool:
    return "\u1100" <= character <= "\u11ff" or "\uac00" <= character <= "\ud7fb"
