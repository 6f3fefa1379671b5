"""Words of English text, lightly stemmed: enough to match a question with a sentence."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache

_WORD = re.compile(r"\w+(?:['’]\w+)?")
_VOWEL = re.compile(r"[aeiouy]")
_DERIVING = ("ment", "ance", "ence", "ly", "al")
# fmt: off
_STOP = frozenset(_WORD.findall("""
a about above after again all also am an and any are as at be because been before being below
between both but by can could did do does doing down during each every few for from further get
give had has have having he her here hers him his how i if in into is it its just let list me
mean more most must my no nor not of off on once only or other our out over own please same say
says she should show so some such tell than that the their them then there these they this those
through to too under until up us very was we were what when where which while who whom whose why
will with would you your document documents file passage text according
"""))
# fmt: on


def words_of(text: str) -> Iterator[str]:
    """The words of a text, small, without accents, and without their commonest endings."""
    for word in _WORD.findall(_plain(text)):
        yield stem(word)


def content_words(question: str) -> frozenset[str]:
    """The words of a question that say what it is about."""
    words = _WORD.findall(_plain(question))
    return frozenset(stem(word) for word in words if word not in _STOP and word.strip("_"))


@lru_cache(8192)
def stem(word: str) -> str:
    """A word without its commonest English endings: Porter's (1980) first steps, and a few more."""
    word = word.removesuffix("'s").removesuffix("’s")
    if len(word) <= 3:
        return word
    if word.endswith("sses"):
        word = word[:-2]
    elif word.endswith("ies"):
        word = word[:-2] if len(word) > 4 else word[:-1]
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        left = word.removesuffix(ending)
        if left != word and len(left) >= 3 and _VOWEL.search(left):
            word = _rounded(left)
            break
    for ending in _DERIVING:
        left = word.removesuffix(ending)
        if left != word and len(left) >= 3 and _VOWEL.search(left):
            word = left
            break
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 else word.removesuffix("e")


def _rounded(left: str) -> str:
    if left[-1] == left[-2] and left[-1] not in "lsz":
        return left[:-1]
    return left


def _plain(text: str) -> str:
    parts = unicodedata.normalize("NFKD", text.lower())
    return "".join(each for each in parts if not unicodedata.combining(each))
