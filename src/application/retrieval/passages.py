"""The open index as a searcher sees it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from application.retrieval.embedder import Vector
from application.retrieval.ports import SealedPassage
from domain.identity import Action, Caller, DocumentId, VersionRef
from domain.language import Language
from domain.retrieval.bm25 import Counted, Said
from domain.retrieval.features import Features
from domain.retrieval.likeness import Span
from domain.retrieval.query import SearchQuery
from domain.retrieval.vectors import VectorReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What the two legs found, keyed by passage, with raw scores: higher is better. `fields` has
    the JSON Pointers of those passages that are of records.

    `words` counts the distinct searchable words of the query; with none of them (stop words
    only) the keyword leg cannot find anything. `unread` are those found whose language the
    embedder was said not to read: they have no say in `semantic`, unless all were to be compared.
    `visible` counts the passages
    that may be searched, `comparable` those of them in languages that were to be compared, and
    `vectors` says how they were compared, and why so. `serving` is the model of which the index had
    all vectors at that moment; None, where nothing was embedded yet. `features` are those that were
    asked for. Where others are found beside these, `counted` and `said` are what scores all of them
    together.
    """

    versions: Mapping[int, VersionRef]
    fields: Mapping[int, str]
    semantic: Mapping[int, float]
    keyword: Mapping[int, float]
    words: int
    unread: frozenset[int] = frozenset()
    visible: int = 0
    comparable: int = 0
    vectors: VectorReason = VectorReason.NOT_ASKED
    serving: str | None = None
    features: Mapping[int, Features] = dataclasses.field(default_factory=dict)
    counted: Counted | None = None
    said: Mapping[int, Said] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How many passages may be searched, and which documents of others; None: very many."""

    passages: int
    shared: frozenset[DocumentId] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownLexemes:
    """Words as the index has them, each once; `is_cut` where there may be more that were not
    looked at."""

    lexemes: Sequence[str]
    is_cut: bool = False


class Passages(Protocol):
    """The index as a searcher sees it. Raises Unavailable when the database does not answer."""

    async def candidates(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        *,
        words: str,
        vector: Vector | None,
        model: str,
        languages: Set[Language] | None = None,
        all_compared: bool = False,
        per_leg: int | None = None,
        lexemes: Sequence[str] | None = None,
        mixed: bool = False,
        features: bool = False,
        named: Sequence[int] | None = None,
    ) -> Candidates:
        """The best passages of each leg, among exactly what the caller may search now.

        Own documents, and those with an open grant of this action and purpose, as far as they are
        in the open index; with `mixed`, ready to be ranked with others. Nothing else
        influences what is found, its scores, or how long it takes. `words` is empty, or `vector`
        None, where that leg is not wanted. Vectors of other models are not compared, nor those
        of documents in other languages than `languages`, unless `all_compared`; None compares all,
        and has all read. A leg has
        `per_leg` passages at most, or as many as is usual. With `lexemes` these are looked for
        as they are in the index, instead of `words`. With `features`, all features of each come
        along; without, what the owner says that its document is worth. With `named` the vectors of
        these passages alone are compared, of those among them that may be seen.
        """
        ...

    async def reach(
        self, caller: Caller, query: SearchQuery, action: Action, *, documents_max: int
    ) -> Reach:
        """What the caller may search now: what a store of vectors is asked to look among."""
        ...

    async def lexemes(
        self, caller: Caller, query: SearchQuery, action: Action, spans: Sequence[Span]
    ) -> KnownLexemes:
        """The words in these spans of exactly what the caller may search now.

        Bounded: of very many, some; those of the first spans before others."""
        ...

    async def closeness(
        self, caller: Caller, passages: Sequence[int], best: Sequence[int], model: str
    ) -> Mapping[int, float]:
        """How close each of these candidates is to the middle of the best of them: higher is
        closer. Those without a vector of this model are missing."""
        ...

    async def vectors(
        self, caller: Caller, passages: Sequence[int], model: str
    ) -> Mapping[int, Vector]:
        """Of these candidates those that have one of this model."""
        ...

    async def sealed(self, caller: Caller, passages: Sequence[int]) -> Mapping[int, SealedPassage]:
        """These passages; those that are gone meanwhile are missing."""
        ...
