"""Words on their way into statements that make lexemes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from domain.retrieval.words import asked_for, weighed

ANALYSIS = 2
"""Counts the rules by which words become lexemes. What was indexed by older ones is done anew."""


def asked_words(text: str) -> dict[str, Any]:
    """A question's words, each once, with how often it is said: parameters of search.sql."""
    counted = asked_for(text)
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
        for word, said in weighed(text, above).items()
    ]
    return {
        "word_passages": [number for number, _, _ in rows],
        "words": [word.text for _, word, _ in rows],
        "folded": [word.folded for _, word, _ in rows],
        "said": [said for _, _, said in rows],
    }
