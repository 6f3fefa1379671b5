"""How words become lexemes: which of PostgreSQL's configurations is whose language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from domain.language import Language, primary
from domain.retrieval.words import Word, count_words

ANALYSIS = 1
"""Counts the rules by which words become lexemes. What was indexed by older ones is done anew."""

WORDS_MAX = 256
"""Of a question, more words than this are not searched for; it bounds what one search costs."""

ABOVE_WEIGHT = 2
"""A word in the title or a heading counts as if the text said it so often (Robertson, Zaragoza,
Taylor, "Simple BM25 Extension to Multiple Weighted Fields", 2004)."""

SIMPLE = "simple"
# What every PostgreSQL from 14 on has. Later ones know more languages, and an index that is made on
# one server must be searchable on another.
_CONFIGURATIONS = {
    "ar": "arabic",
    "ca": "catalan",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "eu": "basque",
    "fi": "finnish",
    "fr": "french",
    "ga": "irish",
    "hi": "hindi",
    "hu": "hungarian",
    "hy": "armenian",
    "id": "indonesian",
    "it": "italian",
    "lt": "lithuanian",
    "nb": "norwegian",
    "ne": "nepali",
    "nl": "dutch",
    "nn": "norwegian",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sr": "serbian",
    "sv": "swedish",
    "ta": "tamil",
    "tr": "turkish",
    "yi": "yiddish",
}


def configuration_of(language: Language) -> str:
    """The configuration that stems this language, or `simple`, which leaves words as they are."""
    return _CONFIGURATIONS.get(primary(language), SIMPLE)


def asked_words(text: str) -> dict[str, Any]:
    """A question's words, each once, with how often it is said: parameters of search.sql."""
    counted = list(islice(count_words(text).items(), WORDS_MAX))
    return {
        "words": [word.text for word, _ in counted],
        "folded": [word.folded for word, _ in counted],
        "said": [said for _, said in counted],
    }


def literal_words(lexemes: Sequence[str]) -> dict[str, Any]:
    """Lexemes as they are in the index: parameters of search.sql."""
    return {"words": list(lexemes), "folded": list(lexemes), "said": [1] * len(lexemes)}


def passage_words(passages: Iterable[tuple[int, str, str]]) -> Mapping[str, list[Any]]:
    """The words of passages, one row for each word of each: parameters of the statements that
    write postings. A passage is its number there, its text, and what stands above it."""
    rows = [
        (number, word, said)
        for number, text, above in passages
        for word, said in _weighed(text, above).items()
    ]
    return {
        "word_passages": [number for number, _, _ in rows],
        "words": [word.text for _, word, _ in rows],
        "folded": [word.folded for _, word, _ in rows],
        "said": [said for _, _, said in rows],
    }


def _weighed(text: str, above: str) -> Counter[Word]:
    counted = count_words(text)
    for word, said in count_words(above).items():
        counted[word] += ABOVE_WEIGHT * said
    return counted
