"""BM25 once more, in plain Python: what the database's scores are compared with."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

Key = TypeVar("Key", bound=Hashable)


def bm25(passages: Mapping[Key, Sequence[str]], wanted: Sequence[str]) -> dict[Key, float]:
    """Robertson and Zaragoza, "The Probabilistic Relevance Framework", 2009, with Lucene's idf."""
    count = len(passages)
    length_mean = sum(map(len, passages.values())) / max(count, 1)
    scores: dict[Key, float] = {}
    for word, said in Counter(wanted).items():
        holders = [key for key, words in passages.items() if word in words]
        rarity = math.log(1 + (count - len(holders) + 0.5) / (len(holders) + 0.5))
        for key in holders:
            frequency = passages[key].count(word)
            norm = 1.2 * (1 - 0.5 + 0.5 * len(passages[key]) / length_mean)
            weight = said * rarity * frequency * (1.2 + 1) / (frequency + norm)
            scores[key] = scores.get(key, 0.0) + weight
    return scores
