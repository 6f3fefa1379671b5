"""BM25 (Robertson, Zaragoza, 2009) over passages that were counted in different places."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeVar

from domain.retrieval.fusion import LENGTH_WEIGHT, SATURATION

Key = TypeVar("Key")

_PARTS = 1e9  # scores are sums of whole numbers of these: no order of adding can move one


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a passage says of a question: its `length` in words that count, and how often it says
    each of the question's terms that it has."""

    length: int
    frequencies: Mapping[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Some passages and the terms of a question, which are numbered in its order.

    `lexemes` is the length of all `passages` together. `searchable` are the terms that are no
    stop words in some language of these passages, and `holding` is how many of them have each
    term, or are taken to have it.
    """

    passages: int
    lexemes: int
    searchable: Set[int]
    holding: Mapping[int, int]


def score(
    said: Mapping[Key, Said],
    asked: Mapping[int, int],
    parts: Sequence[Counted],
    *,
    saturation: float = SATURATION,
    length_weight: float = LENGTH_WEIGHT,
) -> dict[Key, float]:
    """The score of each passage, had all `parts` been one: as search.sql has it.

    `asked` is how often the question says each term.
    """
    passages = sum(part.passages for part in parts)
    mean = sum(part.lexemes for part in parts) / max(passages, 1)
    weights = {
        term: often * _rarity(passages, sum(part.holding.get(term, 0) for part in parts))
        for term, often in asked.items()
    }
    k1, b = saturation, length_weight
    return {
        key: sum(
            round(
                weights[term]
                * frequency
                * (k1 + 1)
                * _PARTS
                / (frequency + k1 * (1 - b + b * each.length / mean))
            )
            for term, frequency in each.frequencies.items()
        )
        / _PARTS
        for key, each in said.items()
    }


def _rarity(passages: int, holding: int) -> float:
    return math.log(1 + (passages - holding + 0.5) / (holding + 0.5))
