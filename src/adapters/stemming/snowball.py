"""`Stems` by Snowball and the stop words that PostgreSQL has: what its dictionaries would make of a
word, without telling the database."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Protocol

import snowballstemmer

from domain.language import Language
from domain.retrieval.stemming import SIMPLE, configuration_of
from domain.retrieval.words import Word


class SnowballStems:
    """`Stems`. Keeps no word that it was asked for."""

    def configuration(self, language: Language) -> str:
        return configuration_of(language)

    def lexemes(self, configuration: str, word: Word) -> Sequence[str]:
        if configuration == SIMPLE:
            return [word.text] if word.text == word.folded else [word.text, word.folded]
        written = self._stem(configuration, word.text)
        if word.text == word.folded or not written:
            return written
        bare = self._stem(configuration, word.folded)
        return written if bare == written else [*written, *bare]

    def is_stop_word(self, word: Word) -> bool:
        return any(word.text in words for words in _stop_words().values())

    def _stem(self, configuration: str, word: str) -> list[str]:
        if word in _stop_words().get(configuration, ()):
            return []
        return [_stemmer(configuration, threading.get_ident()).stemWord(word)]


class _Stemmer(Protocol):
    def stemWord(self, word: str) -> str: ...


@cache
def _stemmer(configuration: str, _thread: int) -> _Stemmer:
    """One for each thread: a stemmer keeps the word that it is at."""
    stemmer: _Stemmer = snowballstemmer.stemmer(configuration)
    return stemmer


@cache
def _stop_words() -> dict[str, frozenset[str]]:
    lines = files("adapters.stemming").joinpath("stop_words.txt").read_text("utf-8").splitlines()
    named = (line.partition(": ") for line in lines if not line.startswith("#"))
    return {language: frozenset(words.split()) for language, _, words in named}
