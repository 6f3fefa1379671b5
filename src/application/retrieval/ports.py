"""Ports of the retrieval module: the vault's content, and the index."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from application.ports import DataKey
from application.retrieval.embedder import Vector
from domain.errors import Invalid
from domain.identity import Action, Caller, DocumentId, TenantId, VersionRef
from domain.language import ENGLISH, Language
from domain.retrieval.bm25 import Counted, Said
from domain.retrieval.embedding_model import EmbeddingModel
from domain.retrieval.features import Features
from domain.retrieval.progress import IndexState
from domain.retrieval.query import SearchQuery
from domain.retrieval.record_text import RecordField
from domain.retrieval.vectors import VectorReason
from domain.retrieval.words import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenContent:
    """A version as its owner gave it. `key` seals what is made from it.

    Of a record, `fields` are those that may be searched, and `title` that of its schema: its own
    could tell of fields that a searcher may not see. `language` is what the owner said it is in.
    """

    content: bytes = dataclasses.field(repr=False)
    fields: Sequence[RecordField] | None = dataclasses.field(default=None, repr=False)
    media_type: str
    title: str = dataclasses.field(repr=False)
    language: Language | None = None
    key: DataKey


class VersionContent(Protocol):
    """What the vault holds, read in the owner's name under a release of action `derive`."""

    async def open(self, caller: Caller, version: VersionRef) -> OpenContent:
        """The whole content. Raises NotFound when it was erased, and Unavailable when the
        release cannot be written."""
        ...

    async def keep_text(
        self, caller: Caller, version: VersionRef, text: bytes, key: DataKey
    ) -> None:
        """Seal and store the extracted text (UTF-8), instead of what an earlier attempt stored.

        Does nothing when the version was erased meanwhile.
        """
        ...


class AttemptOver(Exception):
    """This attempt may not write any more: its document was erased, or has a newer version, or
    another attempt took over. There is nothing to be done about it, and nothing is wrong."""


class KeptAs(StrEnum):
    """What the index keeps of a document: words and vectors as they are, the same sealed, or
    nothing."""

    CLEAR = "clear"
    SEALED = "sealed"
    NONE = "none"


class EmbedderSwapped(Exception):
    """Another model than was known to this attempt serves its tenant by now: what it wrote would
    be found too seldom. Begin anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexAttempt:
    """One attempt at indexing a version. `number` fences it: the latest attempt alone can write.

    `language` is what the owner said that it is in. `serving` and `arriving` name the models whose
    vectors it is to have.
    """

    caller: Caller
    version: VersionRef
    number: int
    kept_as: KeptAs = KeptAs.CLEAR
    language: Language | None = None
    serving: str | None = None
    arriving: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedPassage:
    """One row of the index: what is sealed, and what is in the clear to be found by.

    Lexemes are made of `words`, the passage's own, and of those `above` it: title and headings,
    which say more for their number. Neither is stored. It stands under `heading_depth` headings.
    One without a `vector` is found by its words alone.
    """

    ordinal: int
    start: int
    end: int
    page: int | None
    field: str | None = None
    sealed: bytes
    words: str = dataclasses.field(repr=False)
    above: str = dataclasses.field(default="", repr=False)
    heading_depth: int = 0
    vector: Vector | None = dataclasses.field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPassage:
    """A passage as it is stored."""

    version: VersionRef
    ordinal: int
    start: int
    end: int
    page: int | None
    field: str | None = None
    sealed: bytes


class PassageIndex(Protocol):
    """Where versions become searchable. All writes raise AttemptOver once the attempt is over."""

    async def begin(
        self,
        caller: Caller,
        version: VersionRef,
        model: str | None = None,
        dimensions: int = 0,
    ) -> IndexAttempt | None:
        """Take over the indexing of a version, delete what earlier attempts left, and say that
        it is being extracted. In a tenant where nothing was embedded so far this `model` serves.

        None when there is nothing to do: erased, superseded, or at its end already.
        """
        ...

    async def tell(self, attempt: IndexAttempt, state: IndexState) -> None:
        """Record a state; whoever follows the document's progress is woken."""
        ...

    async def add(
        self,
        attempt: IndexAttempt,
        model: str,
        passages: Sequence[IndexedPassage],
        total: int,
        language: Language = ENGLISH,
    ) -> None:
        """Write some passages with their vectors and lexemes, all or none, and record how many
        of `total` are done. Nobody finds them before `publish`.

        `language` is that of the whole version, and says how its words are cut to lexemes.
        Passages have vectors of `model`, or none."""
        ...

    async def add_vectors(
        self, attempt: IndexAttempt, model: str, vectors: Mapping[int, Vector]
    ) -> None:
        """Vectors of another model for passages that are there, by their ordinals."""
        ...

    async def add_sealed(
        self,
        attempt: IndexAttempt,
        passages: Sequence[SealedPassage],
        entries: bytes,
        models: Sequence[str],
        total: int,
    ) -> None:
        """The same for a sealed document: what its passages are found by comes as one sealed value,
        with vectors of these models, and nothing else of it lies in the clear but how long the
        passages are."""
        ...

    async def publish(self, attempt: IndexAttempt) -> None:
        """Make this version the one that is searched, delete the passages of earlier ones, and
        say that it is ready: in one transaction. Raises EmbedderSwapped."""
        ...

    async def end(self, attempt: IndexAttempt, state: IndexState, reason: str) -> None:
        """Give up: as rejected or failed, with the reason, leaving no passages."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What the two legs found, keyed by passage, with raw scores: higher is better. `fields` has
    the JSON Pointers of those passages that are of records.

    `words` counts the distinct searchable words of the query; with none of them (stop words
    only) the keyword leg cannot find anything. `unread` are those found whose language the
    embedder was said not to read: they have no say in `semantic`. `visible` counts the passages
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
        of documents in other languages than `languages`; None compares all. A leg has
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

    async def lexemes(self, caller: Caller, query: SearchQuery, action: Action) -> Sequence[str]:
        """The words in the index, as it has them, of exactly what the caller may search now.

        Bounded: of very many, some."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class FeaturesThen:
    """The features of a passage of one's own, as they were at some time, and the rules by which
    those of the passage were computed."""

    version: VersionRef
    features: Features
    passage_count: int
    rules: int


class AsOfTooLate(Invalid):
    """What was so is known for times that are over: one minute ago at the latest."""

    code = "as_of_too_late"


class FeatureHistory(Protocol):
    """What features were, for whoever owns what they are of. Numbers and ids; no text."""

    async def latest(self) -> datetime:
        """The last time for which it is settled what was so."""
        ...

    async def page(
        self, caller: Caller, *, as_of: datetime, after: tuple[DocumentId, int] | None, limit: int
    ) -> Sequence[FeaturesThen]:
        """Of the passages that were searched then, in the order of documents and of their
        positions. Of what was erased since nothing is left. Raises AsOfTooLate."""
        ...


class WordIndex(Protocol):
    """The words of versions that are searchable already, and how to give them others."""

    async def outdated(self) -> Sequence[tuple[Caller, VersionRef]]:
        """Some of those whose words became lexemes by older rules, with their owners. Of every
        tenant; none when there are none left."""
        ...

    async def take_over(self, caller: Caller, version: VersionRef) -> IndexAttempt | None:
        """Fence off whoever did the same before. None when it is not the searchable and newest
        version of the caller's any more."""
        ...

    async def passages(self, attempt: IndexAttempt) -> Mapping[int, SealedPassage]:
        """All passages of the version in their order, by their numbers in the index."""
        ...

    async def rewrite(
        self, attempt: IndexAttempt, language: Language, words: Mapping[int, tuple[str, str]]
    ) -> None:
        """Give each passage these words instead, and those above it, in one transaction.

        Raises AttemptOver."""
        ...


class VectorIndex(Protocol):
    """The vectors of versions that are searchable already, and how to give them others beside."""

    async def lacking(self, tenant_id: TenantId, model: str) -> Sequence[tuple[Caller, VersionRef]]:
        """Some of those without all vectors of this model, with their owners; none when there are
        none. Different processes are told different ones, as far as there are many."""
        ...

    async def count_lacking(self, tenant_id: TenantId, model: str) -> int: ...

    async def without(
        self, caller: Caller, version: VersionRef, model: str
    ) -> Mapping[int, SealedPassage]:
        """Some of its passages that have no vector of this model, by their ordinals, in order."""
        ...

    async def add(
        self, caller: Caller, version: VersionRef, model: str, vectors: Mapping[int, Vector]
    ) -> bool:
        """Write vectors by ordinals, beside those of other models; whoever writes one again changes
        nothing. False when it is not the searchable version any more."""
        ...

    async def sealed_without(
        self, caller: Caller, version: VersionRef, model: str
    ) -> SealedPart | None:
        """As `without`, of a sealed version: its first entries that have no vectors of it."""
        ...

    async def replace_sealed(
        self,
        caller: Caller,
        version: VersionRef,
        first: int,
        models: Sequence[str],
        sealed: bytes,
    ) -> bool:
        """Entries with the vectors of these models in place of what is there. As `add`."""
        ...

    async def complete(self, caller: Caller, version: VersionRef) -> None:
        """Look which models it has all vectors of, and remember it."""
        ...


class EmbeddingModels(Protocol):
    """Which model serves each tenant, and who is there to embed with which."""

    async def announce(self, model: str, others: Sequence[str]) -> None:
        """Say that this process lives, which model it wants, and which others it knows."""
        ...

    async def withdraw(self) -> None:
        """Say that this process ends."""
        ...

    async def tenants(self, model: str) -> Sequence[TenantId]:
        """Some of those that another model than this serves, or where one arrives or leaves, or
        where something lacks its vectors."""
        ...

    async def of(self, tenant_id: TenantId) -> Sequence[EmbeddingModel]: ...

    async def arrive(
        self, tenant_id: TenantId, model: str, dimensions: int, *, again: bool = False
    ) -> bool:
        """Begin a move to this model; with `again` also to one that leaves or has left. False where
        that may not be: it serves, or another one arrives."""
        ...

    async def give_up(self, tenant_id: TenantId) -> bool:
        """Let the model that arrives leave, where no process has wanted it for long."""
        ...

    async def swap(self, tenant_id: TenantId, model: str) -> bool:
        """Let it serve, and the one before leave: where nothing lacks its vectors, and every
        process that lives knows it."""
        ...

    async def sweep(self, tenant_id: TenantId) -> int:
        """Delete some vectors of a model that is leaving. Of how many documents; 0 at the end."""
        ...
