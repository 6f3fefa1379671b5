"""Text as the words that are searched for: the same for documents and for queries.

A word is a run of letters, marks and digits, in compatibility form (NFKC) and folded case, so that
no database's locale has a say in it. Scripts that set no spaces between words give every pair of
neighbouring characters instead (Nie, Gao, Zhang, Zhou, "On the Use of Words and N-grams for Chinese
Information Retrieval", 2000), and Chinese characters besides, each of which can be a word. What is
written together with digits or an `@` in it (v1.2.3, ERR-4043, a@example.org) is a word besides.
Stemming and stop words follow later, by language.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from itertools import chain, islice
from typing import NamedTuple

WORD_CHARACTERS_MAX = 64
"""A longer word is known by its beginning; few words are, and hashes should not fill an index."""

WORDS_ASKED_MAX = 256
"""Of a question, more words than this are not searched for; it bounds what one search costs."""

JOINT = "."
"""No other word has it."""

PARTS_MAX = 8
"""What is joined of more parts is a list, or an address of the web, that nobody asks for whole."""

ABOVE_WEIGHT = 2
"""A word in the title or a heading counts as if the text said it so often (Robertson, Zaragoza,
Taylor, "Simple BM25 Extension to Multiple Weighted Fields", 2004)."""


class Word(NamedTuple):
    """A word, and the same without accents: equal for most."""

    text: str
    folded: str

    @property
    def is_counted(self) -> bool:
        """Whether it makes a text longer. What is written together does not: its parts do."""
        return JOINT not in self.text


def count_words(text: str) -> Counter[Word]:
    """How often each word is said, in the order in which they come, and then what is written
    together."""
    counted = Counter(chain(words(text), joined(text)))
    return Counter({Word(word, folded(word)): count for word, count in counted.items()})


def asked_for(text: str) -> list[tuple[Word, int]]:
    """A question's words, each once, with how often it is said."""
    return list(islice(count_words(text).items(), WORDS_ASKED_MAX))


def asks_too_much(text: str) -> bool:
    """Whether a question has more words than are searched for."""
    return len(text) > WORDS_ASKED_MAX // 2 and len(count_words(text)) > WORDS_ASKED_MAX


def weighed(text: str, above: str) -> Counter[Word]:
    """How often a passage says each word, with what stands above it."""
    counted = count_words(text)
    for word, said in count_words(above).items():
        counted[word] += ABOVE_WEIGHT * said
    return counted


def words(text: str) -> Iterator[str]:
    """In the order of the text. Takes time in proportion to it."""
    if text.isascii():  # most is, and most of what indexing a text takes goes by here
        return iter([run[:WORD_CHARACTERS_MAX] for run in _ASCII_RUN.findall(text.casefold())])
    return _of_any_script(text)


def joined(text: str) -> Iterator[str]:
    """What is written together and is more than its parts: versions, codes, dates, amounts,
    addresses. However it is joined, it is one word, its parts with a JOINT between them."""
    for run in _JOINED.findall(text.casefold() if text.isascii() else _plain(text)):
        parts = _JOINT.split(run)
        if len(parts) > PARTS_MAX or not _TELLING.search(run) or _SPACELESS.search(run):
            continue
        yield JOINT.join(parts)[:WORD_CHARACTERS_MAX]


def folded(word: str) -> str:
    """Without accents and the like, for those who type without them."""
    if word.isascii():
        return word
    parts = unicodedata.normalize("NFD", word)
    if not _FOLDABLE.search(parts):
        return word
    bare = unicodedata.normalize("NFC", _ACCENTS.sub("", parts)).translate(_LETTERS)
    return _NASALS.sub("\u0902", bare) or word


def sets_no_spaces(word: str) -> bool:
    """Whether it is of a script in which one character can be a word, with others glued to it."""
    return _SPACELESS.search(word) is not None


# Combining marks that a language can be read without: those of Latin, Greek and Cyrillic, the
# points of Hebrew and Arabic, the dot below (nukta) of the scripts of India. Vowel signs are none.
_ACCENT = (
    "\u0300-\u036f\u0483-\u0487\u0591-\u05bd\u05bf-\u05c7\u0640\u064b-\u0652\u0670"
    "\u093c\u09bc\u0a3c\u0abc\u0b3c\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff"
)
_ACCENTS = re.compile(f"[{_ACCENT}]+")
# Letters that Unicode does not take apart, and Hindi's two ways to write a nasal vowel.
_LETTERS = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ŋ": "n"}
    | {"ħ": "h", "ŧ": "t", "\u0901": "\u0902"}
)
# A nasal consonant before another is written in two ways as well: हिन्दी, हिंदी.
_NASALS = re.compile("[\u0919\u091e\u0923\u0928\u092e]\u094d(?=[\u0915-\u0939])")
_FOLDABLE = re.compile(f"[{_ACCENT}{''.join(map(chr, _LETTERS))}\u0919\u091e\u0923\u0928\u092e]")

# Han, kana and Hangul; Thai, Lao, Myanmar and Khmer. (Korean sets spaces, but glues its particles.)
_NO_SPACES = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf"
    "\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
_HAN = re.compile("[\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


def _marks() -> str:
    """Those of the living scripts, as the inside of a character class: `re` knows no categories."""
    met = [place for place in range(0x300, 0x3100) if unicodedata.category(chr(place))[0] == "M"]
    met += [place for place in range(0xA600, 0xAC00) if unicodedata.category(chr(place))[0] == "M"]
    return "".join(map(chr, met))


_MARKS = _marks()
_RUN = re.compile(rf"(?:[^\W_]|[{_MARKS}])+")
_ASCII_RUN = re.compile("[a-z0-9]+")
_SPACELESS = re.compile(f"[{_NO_SPACES}]")
_PARTS = re.compile(
    rf"([{_NO_SPACES}](?:[{_NO_SPACES}]|[{_MARKS}])*)|((?:(?![{_NO_SPACES}])[^\W_]|[{_MARKS}])+)"
)
_JOINT = re.compile("[-._@/:,+]")
_JOINED = re.compile(rf"(?<![^\W_])[^\W_]++(?:{_JOINT.pattern}[^\W_]++)++")
_TELLING = re.compile("[0-9@]")
# What is one character to a reader: a letter with the marks on it.
_CHARACTER = re.compile(rf".[{_MARKS}]*", re.DOTALL)
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]+")


def _of_any_script(text: str) -> Iterator[str]:
    for run in _RUN.findall(_plain(text)):
        if run.isascii() or not _SPACELESS.search(run):
            yield run[:WORD_CHARACTERS_MAX]
            continue
        for spaceless, spaced in _PARTS.findall(run):
            if spaced:
                yield spaced[:WORD_CHARACTERS_MAX]
            else:
                yield from _pairs(spaceless)


def _plain(text: str) -> str:
    compatible = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
    return unicodedata.normalize("NFC", compatible.casefold())


def _pairs(run: str) -> Iterator[str]:
    characters = _CHARACTER.findall(run)
    for place, character in enumerate(characters):
        if len(characters) == 1 or _HAN.match(character):
            yield character
        if place + 1 < len(characters):
            yield character + characters[place + 1]
