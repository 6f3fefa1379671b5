"""Documents, their versions, and how far these have come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, exists, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import AuditedResource, record_event
from adapters.postgres.engine import present_time, transaction
from adapters.postgres.erasure import erase_document
from adapters.postgres.evidence import PostgresEvidence, Sealing
from adapters.postgres.idempotency import claim
from adapters.postgres.jobs import PostgresJobs
from adapters.postgres.keys import KeyKind, PostgresKeys
from adapters.postgres.progress import record_progress
from adapters.postgres.statements import statement
from adapters.postgres.tables import (
    collection_items,
    document_events,
    document_weights,
    documents,
    grants,
    versions,
)
from application.ports import DataKey, Idempotency, NewId
from application.vault.ports import Erasure
from domain.identity import (
    Acr,
    BlobId,
    Caller,
    DocumentId,
    PersonId,
    ResourceKind,
    VersionRef,
)
from domain.language import Language
from domain.vault.document import AuditMode, Document, IndexMode, Progress, Version, VersionState
from domain.vault.schema import SchemaRef


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresDocuments:
    """`Documents`."""

    engine: AsyncEngine
    keys: PostgresKeys
    evidence: PostgresEvidence
    new_id: NewId

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresVaultTransaction]:
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            yield PostgresVaultTransaction(
                connection=connection,
                caller=caller,
                keys=self.keys,
                evidence=self.evidence,
                sealing=sealing,
                new_id=self.new_id,
            )

    async def find(self, caller: Caller, document_id: DocumentId) -> Document | None:
        concerned = or_(documents.c.owner_id == caller.person_id, _granted(caller, document_id))
        one = _documents(caller).where(documents.c.id == document_id, concerned)
        async with transaction(self.engine, caller.tenant_id) as connection:
            row = (await connection.execute(one)).one_or_none()
        return None if row is None else _document_of(row)

    async def version(self, caller: Caller, version: VersionRef) -> Version | None:
        one = select(versions).where(
            versions.c.tenant_id == caller.tenant_id,
            versions.c.document_id == version.document_id,
            versions.c.version == version.version,
        )
        async with transaction(self.engine, caller.tenant_id) as connection:
            row = (await connection.execute(one)).one_or_none()
        return None if row is None else _version_of(row)

    async def versions(self, caller: Caller, document_id: DocumentId) -> Sequence[Version]:
        all_of_it = (
            select(versions)
            .where(versions.c.tenant_id == caller.tenant_id, versions.c.document_id == document_id)
            .order_by(versions.c.version)
        )
        async with transaction(self.engine, caller.tenant_id) as connection:
            return [_version_of(row) for row in await connection.execute(all_of_it)]

    async def owned(
        self, caller: Caller, kind: ResourceKind, *, after: DocumentId | None, limit: int
    ) -> Sequence[Document]:
        page = (
            _documents(caller)
            .where(documents.c.owner_id == caller.person_id, documents.c.kind == kind)
            .order_by(documents.c.id)
            .limit(limit)
        )
        if after is not None:
            page = page.where(documents.c.id > after)
        async with transaction(self.engine, caller.tenant_id) as connection:
            return [_document_of(row) for row in await connection.execute(page)]

    async def progress(
        self, caller: Caller, document_id: DocumentId, *, after: int
    ) -> Sequence[Progress]:
        rest = (
            select(document_events)
            .where(
                document_events.c.tenant_id == caller.tenant_id,
                document_events.c.document_id == document_id,
                document_events.c.number > after,
            )
            .order_by(document_events.c.number)
        )
        async with transaction(self.engine, caller.tenant_id) as connection:
            return [_progress_of(row) for row in await connection.execute(rest)]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresVaultTransaction:
    """`VaultTransaction` on one open transaction."""

    connection: AsyncConnection
    caller: Caller
    keys: PostgresKeys
    evidence: PostgresEvidence
    sealing: Sealing
    new_id: NewId

    @property
    def jobs(self) -> PostgresJobs:
        return PostgresJobs(self.connection)

    async def now(self) -> datetime:
        return await present_time(self.connection)

    async def claim(self, idempotency: Idempotency | None, document: DocumentId) -> DocumentId:
        return DocumentId(await claim(self.connection, self.caller, idempotency, document))

    async def document(self, document_id: DocumentId, *, lock: bool = False) -> Document | None:
        return await find_document(self.connection, self.caller, document_id, lock=lock)

    async def add(self, document: Document, *, content_key: DataKey, metadata_key: DataKey) -> None:
        await self.connection.execute(
            insert(documents).values(
                tenant_id=self.caller.tenant_id,
                id=document.id,
                owner_id=document.owner_id,
                kind=document.kind,
                current_version=document.current.ref.version,
                searchable_version=document.searchable_version,
                index_mode=document.index_mode,
                audit_mode=document.audit_mode,
                approval_acr=document.approval_acr,
                language=document.language,
                sealed_metadata=document.sealed_description,
                created_at=document.created_at,
                updated_at=document.updated_at,
            )
        )
        await self.keys.keep(
            self.connection, self.caller, KeyKind.METADATA, document.id, metadata_key
        )
        await self.evidence.make(self.connection, self.caller, document.id)
        await self._add_version(document.current, content_key)

    async def replace(
        self, version: Version, *, content_key: DataKey, language: Language | None = None
    ) -> None:
        changed = {"current_version": version.ref.version, "updated_at": version.created_at}
        if language is not None:
            changed["language"] = language
        await self.connection.execute(
            update(documents).where(_is(self.caller, version.ref.document_id)).values(changed)
        )
        await self._add_version(version, content_key)

    async def change_index_mode(self, document: Document, index_mode: IndexMode) -> None:
        ref, at = document.current.ref, await self.now()
        await self.connection.execute(
            statement("change_index_mode"),
            {
                "tenant": self.caller.tenant_id,
                "owner": document.owner_id,
                "document": document.id,
                "index_mode": index_mode,
                "at": at,
            },
        )
        tenant_id = self.caller.tenant_id
        await record_progress(self.connection, tenant_id, ref, VersionState.RECEIVED)
        await record_event(
            self.connection,
            self.caller,
            self.sealing,
            event_id=self.new_id(),
            type="index_mode_changed",
            at=at,
            resources=[AuditedResource(document_id=document.id, version=ref.version)],
            body={"index_mode": index_mode, "before": document.index_mode},
        )

    async def weigh(self, document: Document, weight: float) -> None:
        history = and_(
            document_weights.c.tenant_id == self.caller.tenant_id,
            document_weights.c.owner_id == document.owner_id,
            document_weights.c.document_id == document.id,
        )
        count = (
            await self.connection.execute(
                select(func.count()).select_from(document_weights).where(history)
            )
        ).scalar_one()
        await self.connection.execute(
            insert(document_weights).values(
                tenant_id=self.caller.tenant_id,
                owner_id=document.owner_id,
                document_id=document.id,
                number=count + 1,
                weight=weight,
            )
        )
        await self.connection.execute(
            update(documents).where(_is(self.caller, document.id)).values(weight=weight)
        )

    async def keep_text(
        self, version: VersionRef, blob: BlobId, commitment: bytes
    ) -> BlobId | None:
        this = and_(
            versions.c.tenant_id == self.caller.tenant_id,
            versions.c.document_id == version.document_id,
            versions.c.version == version.version,
        )
        before: BlobId | None = (
            await self.connection.execute(select(versions.c.text_blob_id).where(this))
        ).scalar_one_or_none()
        kept = {"text_blob_id": blob, "text_commitment": commitment}
        await self.connection.execute(update(versions).where(this).values(kept))
        return before

    async def erase(self, document: Document) -> Erasure:
        return await erase_document(
            self.connection, self.caller, self.sealing, document, self.new_id()
        )

    async def _add_version(self, version: Version, content_key: DataKey) -> None:
        ref = version.ref
        await self.connection.execute(
            insert(versions).values(
                tenant_id=self.caller.tenant_id,
                document_id=ref.document_id,
                version=ref.version,
                media_type=version.media_type,
                content_length=version.content_length,
                content_blob_id=version.content_blob,
                schema_name=version.schema and version.schema.name,
                schema_version=version.schema and version.schema.version,
                state=version.state,
                created_at=version.created_at,
            )
        )
        await self.keys.keep(
            self.connection,
            self.caller,
            KeyKind.CONTENT,
            ref.document_id,
            content_key,
            version=ref.version,
        )
        await record_progress(self.connection, self.caller.tenant_id, ref, version.state)
        await record_event(
            self.connection,
            self.caller,
            self.sealing,
            event_id=self.new_id(),
            type="version_stored",
            at=version.created_at,
            resources=[AuditedResource(document_id=ref.document_id, version=ref.version)],
        )


def _documents(caller: Caller) -> Select[Any]:
    """Documents with their current version, columns of the version prefixed by `v_`."""
    current = and_(
        versions.c.tenant_id == documents.c.tenant_id,
        versions.c.document_id == documents.c.id,
        versions.c.version == documents.c.current_version,
    )
    return (
        select(documents, *(column.label(f"v_{column.name}") for column in versions.c))
        .join(versions, current)
        .where(documents.c.tenant_id == caller.tenant_id)
    )


def _granted(caller: Caller, document_id: DocumentId) -> Any:
    """Whether anything was ever granted to the caller on it, or on a collection that holds it."""
    holding = select(collection_items.c.collection_id).where(
        collection_items.c.tenant_id == caller.tenant_id,
        collection_items.c.document_id == document_id,
    )
    return exists(grants.c.id).where(
        grants.c.tenant_id == caller.tenant_id,
        grants.c.grantee_id == caller.person_id,
        or_(grants.c.resource_id == document_id, grants.c.resource_id.in_(holding)),
    )


def _is(caller: Caller, document_id: DocumentId) -> Any:
    return and_(documents.c.tenant_id == caller.tenant_id, documents.c.id == document_id)


async def find_document(
    connection: AsyncConnection, caller: Caller, document_id: DocumentId, *, lock: bool = False
) -> Document | None:
    if lock:
        held = select(documents.c.id).where(_is(caller, document_id)).with_for_update()
        await connection.execute(held)
    one = _documents(caller).where(documents.c.id == document_id)
    row = (await connection.execute(one)).one_or_none()
    return None if row is None else _document_of(row)


class _Prefixed:
    """The version's columns of a joined row."""

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"v_{name}")


def _document_of(row: Any) -> Document:
    return Document(
        id=DocumentId(row.id),
        owner_id=PersonId(row.owner_id),
        kind=ResourceKind(row.kind),
        current=_version_of(_Prefixed(row)),
        searchable_version=row.searchable_version,
        index_mode=IndexMode(row.index_mode),
        audit_mode=AuditMode(row.audit_mode),
        approval_acr=Acr(row.approval_acr),
        language=row.language and Language(row.language),
        weight=row.weight,
        sealed_description=row.sealed_metadata,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _version_of(row: Any) -> Version:
    return Version(
        ref=VersionRef(document_id=DocumentId(row.document_id), version=row.version),
        media_type=row.media_type,
        content_length=row.content_length,
        content_blob=BlobId(row.content_blob_id),
        text_blob=row.text_blob_id and BlobId(row.text_blob_id),
        state=VersionState(row.state),
        state_reason=row.state_reason,
        passage_count=row.passage_count,
        schema=row.schema_name and SchemaRef(name=row.schema_name, version=row.schema_version),
        language=row.language and Language(row.language),
        created_at=row.created_at,
    )


def _progress_of(row: Any) -> Progress:
    return Progress(
        number=row.number,
        version=row.version,
        state=VersionState(row.state),
        reason=row.reason,
        done=row.done,
        total=row.total,
        at=row.at,
    )
