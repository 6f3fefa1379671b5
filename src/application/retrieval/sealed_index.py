"""What is sealed as a searcher sees it, and what is needed to search it in memory."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from application.retrieval.embedder import Vector
from application.retrieval.ports import SealedPassage
from domain.identity import Action, Caller, VersionRef
from domain.language import Language
from domain.retrieval.query import SearchQuery
from domain.retrieval.words import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class VisibleSealed:
    """The sealed versions that may be searched and fit within a bound, what their documents are
    worth to their owners, and how many do not fit."""

    versions: Sequence[VersionRef]
    weights: Mapping[VersionRef, float] = dataclasses.field(default_factory=dict)
    left_out: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEntries:
    """What some passages of a version are found by, as it is stored: those from `first` on, by
    their numbers in the index."""

    version: VersionRef
    first: int
    passages: Sequence[int]
    sealed: bytes = dataclasses.field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPart:
    """Some entries of a sealed version, and their passages in order."""

    entries: SealedEntries
    passages: Sequence[SealedPassage]


class SealedIndex(Protocol):
    """Sealed versions as a searcher sees them. Raises Unavailable when the database does not
    answer."""

    async def visible(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        *,
        passages_max: int,
        documents_max: int,
    ) -> VisibleSealed:
        """Own documents, and those with an open grant of this action and purpose: the newest.

        What of a record may not be seen has no part in what fits.
        """
        ...

    def entries(
        self, caller: Caller, versions: Sequence[VersionRef]
    ) -> AsyncIterator[SealedEntries]:
        """Of versions that were released, some at a time. Those that are gone meanwhile are
        missing."""
        ...


class Stems(Protocol):
    """Makes lexemes of words as the open index does, and tells nobody of them."""

    def configuration(self, language: Language) -> str:
        """By what rules the words of a language are cut."""
        ...

    def lexemes(self, configuration: str, word: Word) -> Sequence[str]:
        """With and without accents, where that differs. Empty for a stop word."""
        ...

    def is_stop_word(self, word: Word) -> bool:
        """In any language."""
        ...


class HalfVectors(Protocol):
    """Vectors of 2-byte floats, one behind the other; what the open index compares, too."""

    def pack(self, vectors: Sequence[Vector]) -> bytes: ...

    def vector(self, packed: bytes, place: int, dimensions: int) -> Vector: ...

    def closeness(self, packed: bytes, vector: Vector) -> Sequence[float]:
        """The inner product of each of them with this one."""
        ...

    def middle(self, vectors: Sequence[Vector]) -> Vector:
        """Their mean. There is one at least."""
        ...
