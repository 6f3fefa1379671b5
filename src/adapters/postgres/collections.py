"""Collections, and what is in them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import AuditedResource, record_event
from adapters.postgres.consent_ending import close_grants_on
from adapters.postgres.engine import present_time, transaction
from adapters.postgres.evidence import PostgresEvidence, Sealing
from adapters.postgres.idempotency import claim
from adapters.postgres.keys import KeyKind, PostgresKeys
from adapters.postgres.signals import notify
from adapters.postgres.tables import collection_items, collections, documents, grants
from adapters.postgres.tombstones import ACCESS_REVOKED, tombstone_answers
from adapters.postgres.vault import find_document
from application.ports import DataKey, Idempotency, NewId
from application.vault.ports import EndedSharing
from domain.identity import Caller, CollectionId, DocumentId, GrantId, PersonId, ResourceKind
from domain.vault.collection import Collection, CollectionItem
from domain.vault.document import Document


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresCollections:
    """`Collections`."""

    engine: AsyncEngine
    keys: PostgresKeys
    evidence: PostgresEvidence
    new_id: NewId

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresCollectionTransaction]:
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            yield PostgresCollectionTransaction(
                connection=connection,
                caller=caller,
                keys=self.keys,
                sealing=sealing,
                new_id=self.new_id,
            )

    async def find(self, caller: Caller, collection_id: CollectionId) -> Collection | None:
        one = _collections(caller).where(collections.c.id == collection_id)
        async with transaction(self.engine, caller.tenant_id) as connection:
            row = (await connection.execute(one)).one_or_none()
        return None if row is None else _collection_of(row)

    async def owned(
        self, caller: Caller, *, after: CollectionId | None, limit: int
    ) -> Sequence[Collection]:
        page = (
            _collections(caller)
            .where(collections.c.owner_id == caller.person_id)
            .order_by(collections.c.id)
            .limit(limit)
        )
        if after is not None:
            page = page.where(collections.c.id > after)
        async with transaction(self.engine, caller.tenant_id) as connection:
            return [_collection_of(row) for row in await connection.execute(page)]

    async def items(
        self, caller: Caller, collection_id: CollectionId, *, after: DocumentId | None, limit: int
    ) -> Sequence[CollectionItem] | None:
        granted = select(grants.c.id).where(
            grants.c.grantee_id == caller.person_id,
            grants.c.not_before <= func.clock_timestamp(),
            *_open(caller, collection_id),
        )
        seen = select(collections.c.id).where(
            _is(caller, collection_id),
            or_(collections.c.owner_id == caller.person_id, granted.exists()),
        )
        page = (
            select(collection_items.c.document_id, documents.c.kind, collection_items.c.added_at)
            .join(
                documents,
                and_(
                    documents.c.tenant_id == collection_items.c.tenant_id,
                    documents.c.id == collection_items.c.document_id,
                ),
            )
            .where(
                collection_items.c.tenant_id == caller.tenant_id,
                collection_items.c.collection_id == collection_id,
            )
            .order_by(collection_items.c.document_id)
            .limit(limit)
        )
        if after is not None:
            page = page.where(collection_items.c.document_id > after)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            if (await connection.execute(seen)).one_or_none() is None:
                return None
            rows = (await connection.execute(page)).all()
        return [
            CollectionItem(
                document_id=DocumentId(row.document_id),
                kind=ResourceKind(row.kind),
                added_at=row.added_at,
            )
            for row in rows
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresCollectionTransaction:
    """`CollectionTransaction` on one open transaction."""

    connection: AsyncConnection
    caller: Caller
    keys: PostgresKeys
    sealing: Sealing
    new_id: NewId

    async def now(self) -> datetime:
        return await present_time(self.connection)

    async def claim(self, idempotency: Idempotency | None, resource: UUID) -> UUID:
        return await claim(self.connection, self.caller, idempotency, resource)

    async def collection(self, collection_id: CollectionId) -> Collection | None:
        held = select(collections.c.id).where(_is(self.caller, collection_id)).with_for_update()
        await self.connection.execute(held)
        one = _collections(self.caller).where(collections.c.id == collection_id)
        row = (await self.connection.execute(one)).one_or_none()
        return None if row is None else _collection_of(row)

    async def document(self, document_id: DocumentId) -> Document | None:
        return await find_document(self.connection, self.caller, document_id)

    async def open_grants(self, collection_id: CollectionId) -> int:
        counted = select(func.count()).where(*_open(self.caller, collection_id))
        return int((await self.connection.execute(counted)).scalar_one())

    async def add(self, collection: Collection, key: DataKey) -> None:
        await self.connection.execute(
            insert(collections).values(
                tenant_id=self.caller.tenant_id,
                id=collection.id,
                owner_id=collection.owner_id,
                sealed_title=collection.sealed_title,
                created_at=collection.created_at,
            )
        )
        await self.keys.keep(self.connection, self.caller, KeyKind.COLLECTION, collection.id, key)

    async def rename(self, collection: Collection) -> None:
        await self.connection.execute(
            update(collections)
            .where(_is(self.caller, collection.id))
            .values(sealed_title=collection.sealed_title)
        )

    async def put(
        self, collection_id: CollectionId, document_id: DocumentId, *, shared_under: int
    ) -> None:
        put = await self.connection.execute(
            upsert(collection_items)
            .values(
                tenant_id=self.caller.tenant_id,
                collection_id=collection_id,
                document_id=document_id,
                owner_id=self.caller.person_id,
            )
            .on_conflict_do_nothing()
        )
        if put.rowcount:
            body = {"collection_id": str(collection_id), "open_grants": shared_under}
            await self._record("put_in_collection", document_id, body)

    async def take_out(
        self, collection_id: CollectionId, document_id: DocumentId
    ) -> EndedSharing | None:
        # As erasure does: first the document, which an answer that is about to rest on it holds.
        await find_document(self.connection, self.caller, document_id, lock=True)
        gone = delete(collection_items).where(
            collection_items.c.tenant_id == self.caller.tenant_id,
            collection_items.c.collection_id == collection_id,
            collection_items.c.document_id == document_id,
        )
        if not (await self.connection.execute(gone)).rowcount:
            return None
        on_it = select(grants.c.id).where(
            grants.c.tenant_id == self.caller.tenant_id, grants.c.resource_id == collection_id
        )
        granted = [GrantId(each) for each in (await self.connection.execute(on_it)).scalars()]
        ended = await self._take_back(granted, only_of=document_id)
        await notify(self.connection, f"grants:{self.caller.tenant_id}")
        body = {"collection_id": str(collection_id), "answers_hidden": ended.answers_hidden}
        await self._record("taken_from_collection", document_id, body)
        return ended

    async def delete(self, collection_id: CollectionId) -> EndedSharing:
        closed = await close_grants_on(self.connection, self.caller, collection_id)
        ended = await self._take_back([grant.id for grant in closed])
        await self.keys.destroy(self.connection, self.caller.tenant_id, collection_id)
        await self.connection.execute(
            delete(collections).where(_is(self.caller, collection_id))  # its items go with it
        )
        await record_event(
            self.connection,
            self.caller,
            self.sealing,
            event_id=self.new_id(),
            type="collection_deleted",
            at=None,
            body={
                "collection_id": str(collection_id),
                "grants": [str(grant.id) for grant in closed],
                "answers_hidden": ended.answers_hidden,
            },
        )
        return ended

    async def _take_back(
        self, granted: Sequence[GrantId], *, only_of: DocumentId | None = None
    ) -> EndedSharing:
        back = await tombstone_answers(
            self.connection,
            self.caller.tenant_id,
            reason=ACCESS_REVOKED,
            grants=granted,
            only_of=only_of,
        )
        return EndedSharing(
            grants_closed=0 if only_of else len(granted),
            runs_stopped=len(back.streams),
            answers_hidden=back.answers_hidden,
        )

    async def _record(self, kind: str, document_id: DocumentId, body: dict[str, object]) -> None:
        await record_event(
            self.connection,
            self.caller,
            self.sealing,
            event_id=self.new_id(),
            type=kind,
            at=None,
            resources=[AuditedResource(document_id=document_id, version=0)],
            body=body,
        )


def _is(caller: Caller, collection_id: CollectionId) -> ColumnElement[bool]:
    return and_(collections.c.tenant_id == caller.tenant_id, collections.c.id == collection_id)


def _open(caller: Caller, collection_id: CollectionId) -> Sequence[ColumnElement[bool]]:
    return (
        grants.c.tenant_id == caller.tenant_id,
        grants.c.resource_kind == ResourceKind.COLLECTION,
        grants.c.resource_id == collection_id,
        grants.c.revoked_at.is_(None),
        grants.c.expires_at > func.clock_timestamp(),
    )


def _collections(caller: Caller) -> Select[Any]:
    counted = (
        select(func.count())
        .where(
            collection_items.c.tenant_id == collections.c.tenant_id,
            collection_items.c.collection_id == collections.c.id,
        )
        .scalar_subquery()
    )
    return select(collections, counted.label("item_count")).where(
        collections.c.tenant_id == caller.tenant_id
    )


def _collection_of(row: Any) -> Collection:
    return Collection(
        id=CollectionId(row.id),
        owner_id=PersonId(row.owner_id),
        sealed_title=row.sealed_title,
        item_count=row.item_count,
        created_at=row.created_at,
    )
