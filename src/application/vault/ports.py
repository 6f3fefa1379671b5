"""Ports of the vault."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports import Context, DataKey, Idempotency, Jobs
from domain.errors import Fault, Invalid
from domain.identity import (
    BlobId,
    Caller,
    CollectionId,
    DocumentId,
    PersonId,
    ResourceKind,
    TenantId,
    VersionRef,
)
from domain.json_pointer import Json
from domain.language import Language
from domain.vault.collection import Collection, CollectionItem
from domain.vault.document import Document, IndexMode, Progress, Version
from domain.vault.schema import Schema

TypeOf = Callable[[bytes, bytes], str | None]
"""The media type of content, judged by its first and its last 64 KiB; None if not supported."""

WhyUnsupported = Callable[[bytes, bytes], str]
"""What to say of content that has no such type, judged by the same; it never quotes the content."""

INDEX_VERSION = "index_version"
"""The job that makes a version searchable: payload tenant_id, person_id, document_id, version."""


class Blobs(Protocol):
    """Ciphertext, by id. A blob that was never completed is swept away after an hour."""

    async def write(self, caller: Caller, blob: BlobId, sealed: AsyncIterator[bytes]) -> int:
        """Store and complete; the number of bytes. Memory stays flat whatever the length."""
        ...

    def read(
        self, tenant_id: TenantId, blob: BlobId, start: int, end: int
    ) -> AsyncIterator[bytes]: ...

    async def length(self, tenant_id: TenantId, blob: BlobId) -> int | None: ...

    async def discard(self, tenant_id: TenantId, blob: BlobId) -> None: ...

    async def sweep(self) -> int:
        """Discard what was begun over an hour ago and never completed; how many there were."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What an erasure destroyed, counted, and what a search for the rest of it found: by itself,
    and in the index by `index_probes` words and vectors that it had."""

    at: datetime
    destroyed: Mapping[str, int]
    residue: Mapping[str, int]
    index_probes: int


class VaultTransaction(Protocol):
    """One transaction over documents."""

    @property
    def jobs(self) -> Jobs: ...

    async def now(self) -> datetime: ...

    async def claim(self, idempotency: Idempotency | None, document: DocumentId) -> DocumentId: ...

    async def document(self, document_id: DocumentId, *, lock: bool = False) -> Document | None: ...

    async def add(self, document: Document, *, content_key: DataKey, metadata_key: DataKey) -> None:
        """Store the document, its first version and their keys; tell the log and the watchers."""
        ...

    async def replace(
        self, version: Version, *, content_key: DataKey, language: Language | None = None
    ) -> None:
        """Make this the current version. The one before stays searchable until it is indexed.

        A `language` replaces what the owner said before."""
        ...

    async def change_index_mode(self, document: Document, index_mode: IndexMode) -> None:
        """Delete its index, and have the current version wait to be indexed as this says; tell the
        log and the watchers."""
        ...

    async def weigh(self, document: Document, weight: float) -> None:
        """Say what it is worth from now on; what it was before is kept with its times."""
        ...

    async def keep_text(
        self, version: VersionRef, blob: BlobId, commitment: bytes
    ) -> BlobId | None:
        """Name the blob of the extracted text, and what stands for that text.

        The blob that it replaces, which nobody names any more.
        """
        ...

    async def erase(self, document: Document) -> Erasure:
        """Destroy the keys and every derived row, hide the answers that quote it, close grants."""
        ...


class Documents(Protocol):
    """Documents, their versions, and how far these have come."""

    def begin(self, caller: Caller) -> AbstractAsyncContextManager[VaultTransaction]: ...

    async def find(self, caller: Caller, document_id: DocumentId) -> Document | None:
        """One's own, or one that something was granted on, whether that still holds or not: being
        found says nothing about being allowed. For everybody else it does not exist."""
        ...

    async def version(self, caller: Caller, version: VersionRef) -> Version | None: ...

    async def versions(self, caller: Caller, document_id: DocumentId) -> Sequence[Version]: ...

    async def owned(
        self, caller: Caller, kind: ResourceKind, *, after: DocumentId | None, limit: int
    ) -> Sequence[Document]: ...

    async def progress(
        self, caller: Caller, document_id: DocumentId, *, after: int
    ) -> Sequence[Progress]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedSharing:
    """What ending a sharing did: grants closed, runs that were under way, answers taken back."""

    grants_closed: int
    runs_stopped: int
    answers_hidden: int


class CollectionTransaction(Protocol):
    """One transaction over collections and what is in them."""

    async def now(self) -> datetime: ...

    async def claim(self, idempotency: Idempotency | None, resource: UUID) -> UUID: ...

    async def collection(self, collection_id: CollectionId) -> Collection | None:
        """Held until the transaction ends: meanwhile nothing is granted on it."""
        ...

    async def document(self, document_id: DocumentId) -> Document | None: ...

    async def open_grants(self, collection_id: CollectionId) -> int:
        """How many grants on it are in force, or will be."""
        ...

    async def add(self, collection: Collection, key: DataKey) -> None: ...

    async def rename(self, collection: Collection) -> None: ...

    async def put(
        self, collection_id: CollectionId, document_id: DocumentId, *, shared_under: int
    ) -> None:
        """Unless it is in it. `shared_under` grants it is shared by that: the log tells."""
        ...

    async def take_out(
        self, collection_id: CollectionId, document_id: DocumentId
    ) -> EndedSharing | None:
        """Wait for readers in flight, take it out, and take back what rests on its having been in
        it. None where it is not in it."""
        ...

    async def delete(self, collection_id: CollectionId) -> EndedSharing:
        """With its key and title; its grants close and their consents are invalidated."""
        ...


class Collections(Protocol):
    """Collections and what is in them."""

    def begin(self, caller: Caller) -> AbstractAsyncContextManager[CollectionTransaction]: ...

    async def find(self, caller: Caller, collection_id: CollectionId) -> Collection | None:
        """Whoever owns it: being found says nothing about being allowed."""
        ...

    async def owned(
        self, caller: Caller, *, after: CollectionId | None, limit: int
    ) -> Sequence[Collection]: ...

    async def items(
        self, caller: Caller, collection_id: CollectionId, *, after: DocumentId | None, limit: int
    ) -> Sequence[CollectionItem] | None:
        """What is in it, for its owner and for whoever holds a grant on it that is in force. None
        for everybody else."""
        ...


def collection_context(
    tenant_id: TenantId, owner_id: PersonId, collection_id: CollectionId
) -> Context:
    return (tenant_id.bytes, owner_id.bytes, collection_id.bytes, b"collection")


def content_context(
    tenant_id: TenantId, owner_id: PersonId, version: VersionRef, part: bytes
) -> Context:
    """What the bytes (`content`) and the text (`text`) of a version are bound to."""
    return (
        tenant_id.bytes,
        owner_id.bytes,
        version.document_id.bytes,
        version.version.to_bytes(4),
        part,
    )


def description_context(
    tenant_id: TenantId, owner_id: PersonId, document_id: DocumentId
) -> Context:
    return (tenant_id.bytes, owner_id.bytes, document_id.bytes, b"description")


class CheckTooCostly(Invalid):
    """Checking this against its schema takes longer, or more memory, than is allowed."""

    code = "check_too_costly"


class SchemaChecker(Protocol):
    """Judges by JSON Schema 2020-12, formats included; never fetches what a schema refers to.

    Whatever a schema or a record makes it do, others go on: time and memory are limited. Faults
    name parts by pointers into what was judged, and quote nothing of a record; at most 100, and
    one for each part. Both methods raise CheckTooCostly at the limits, and Unavailable when
    nothing can be judged now.
    """

    async def faults_of_schema(self, schema: Mapping[str, Json]) -> Sequence[Fault]: ...

    async def faults_of(self, record: Json, schema: Mapping[str, Json]) -> Sequence[Fault]: ...


class SchemaTransaction(Protocol):
    """One transaction over schemas."""

    async def now(self) -> datetime: ...

    async def newest(self, name: str) -> Schema | None:
        """Nobody else adds a version to what is returned until this transaction ends."""
        ...

    async def add(self, schema: Schema) -> None:
        """Store a version. Raises PreconditionFailed when another was added meanwhile."""
        ...


class Schemas(Protocol):
    """The schemas of a tenant: everybody in it may see them."""

    def begin(self, caller: Caller) -> AbstractAsyncContextManager[SchemaTransaction]: ...

    async def find(self, caller: Caller, name: str, *, version: int | None = None) -> Schema | None:
        """The newest version, unless another is asked for."""
        ...

    async def page(self, caller: Caller, *, after: str | None, limit: int) -> Sequence[Schema]:
        """The newest version of each, by name."""
        ...
