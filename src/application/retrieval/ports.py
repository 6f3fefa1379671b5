"""Ports of the retrieval module: the vault's content, and the index as ingestion writes it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from application.ports import DataKey, Idempotency
from application.retrieval.embedder import Vector
from domain.identity import Caller, JobId, VersionRef
from domain.language import ENGLISH, Language
from domain.retrieval.job import Job, JobState
from domain.retrieval.progress import IndexState
from domain.retrieval.record_text import RecordField


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
        of `total` are done, and with the last of them that it is being indexed. Nobody finds
        them before `publish`.

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


class QueuedJobs(Protocol):
    """The jobs of one tenant, as long as they are not done."""

    async def of_tenant(
        self, caller: Caller, *, state: JobState | None, after: JobId | None, limit: int
    ) -> Sequence[Job]:
        """The newest first, from the one behind `after` on."""
        ...

    async def put_back(
        self, caller: Caller, job_id: JobId, idempotency: Idempotency | None
    ) -> None:
        """Queue a dead job again, as if it had never been tried, and log it.

        Does nothing where this very request did it. Raises JobNotFound, also for a job of another
        tenant, and JobNotDead.
        """
        ...
