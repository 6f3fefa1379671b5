"""Features: numbers about a passage and its document that ranking can weigh beside the question."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from domain.language import Language, primary
from domain.retrieval.fusion import Sortable

FEATURES_VERSION = 1
"""Counts the rules by which features of passages are computed; it is stored with each."""

OWNER_WEIGHT = 0.1
"""So that a document worth 4 gains 0.2, a fifth of the way from the last to the first."""

FEATURE_WEIGHTS: Mapping[str, float] = {"owner_weight": OWNER_WEIGHT}
"""What features count by default, each from -1 to 1, beside scores from 0 to 1. The others
count nothing until they are measured on a collection of one's own."""

NAMES = ("length", "position", "heading_depth", "age", "owner_weight", "citations")
PREFIXES = ("language:", "source:")

Key = TypeVar("Key", bound=Sortable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """Of a passage: `length` in bytes, `position` among the passages of its version from 0, under
    how many headings it stands. Of its document: days since the version was handed in, language,
    media type, what it is worth to its owner, and in how many answers to the searcher, and to
    nobody else, it was cited. None: not known.
    """

    length: int | None = None
    position: int = 0
    heading_depth: int | None = None
    age_days: int | None = None
    language: str | None = None
    source: str | None = None
    owner_weight: float = 1.0
    citations: int = 0


def is_feature(name: str) -> bool:
    """One of NAMES, or one language or media type: `language:de`, `source:application/pdf`."""
    return name in NAMES or any(name.startswith(prefix) and name != prefix for prefix in PREFIXES)


def weighed(
    ranking: Sequence[tuple[Key, float]],
    features: Mapping[Key, Features],
    weights: Mapping[str, float],
) -> list[tuple[Key, float]]:
    """The ranking with what features add, again from 0 to 1, best first.

    `ranking` has scores from 0 to 1. Where features make no difference, it is left as it is.
    """
    gains = {
        key: sum(
            weight * _signal(name, features[key]) for name, weight in weights.items() if weight
        )
        if key in features
        else 0.0
        for key, _ in ranking
    }
    least, greatest = min(gains.values(), default=0.0), max(gains.values(), default=0.0)
    if least == greatest:
        return list(ranking)
    scored = [
        (key, (score + gains[key] - least) / (1 + greatest - least)) for key, score in ranking
    ]
    return sorted(scored, key=lambda each: (-each[1], each[0]))


def _signal(name: str, features: Features) -> float:
    """From 0 to 1, and 0 where it is not known; the owner's weight from -2 to 2, 0 for 1."""
    match name:
        case "length":
            return min(features.length or 0, _LENGTH) / _LENGTH
        case "position":
            return 1 / (1 + features.position)
        case "heading_depth":
            depth = features.heading_depth
            return 0.0 if depth is None else 1 / (1 + depth)
        case "age":
            days = features.age_days
            return 0.0 if days is None else 2 ** (-max(days, 0) / _HALF_LIFE_DAYS)
        case "owner_weight":
            return math.log2(features.owner_weight)
        case "citations":
            return math.log2(1 + min(features.citations, _CITATIONS)) / math.log2(1 + _CITATIONS)
    kind, _, wanted = name.partition(":")
    if kind == "language":
        return float(
            features.language is not None and primary(Language(features.language)) == wanted
        )
    return float(features.source == wanted)


_LENGTH = 1_000
_HALF_LIFE_DAYS = 365
_CITATIONS = 15
