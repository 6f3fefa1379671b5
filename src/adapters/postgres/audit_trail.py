"""The transparency log as those see it who may read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.audit import logged_event, nodes_at
from adapters.postgres.engine import transaction
from adapters.postgres.statements import statement
from adapters.postgres.tables import audit_checkpoints, documents
from application.audit.ports import Access, Entry, StoredCheckpoint
from domain.audit.tree import Nodes, Position
from domain.identity import Caller, DocumentId, GrantId, PersonId, TenantId


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAuditTrail:
    """`AuditTrail`."""

    engine: AsyncEngine

    async def checkpoint(self, tenant_id: TenantId) -> StoredCheckpoint | None:
        latest = (
            select(audit_checkpoints.c.size, audit_checkpoints.c.note)
            .where(audit_checkpoints.c.tenant_id == tenant_id)
            .order_by(audit_checkpoints.c.size.desc())
            .limit(1)
        )
        async with transaction(self.engine, tenant_id) as connection:
            row = (await connection.execute(latest)).one_or_none()
        return row and StoredCheckpoint(size=row.size, note=row.note)

    async def nodes(self, tenant_id: TenantId, positions: Collection[Position]) -> Nodes:
        async with transaction(self.engine, tenant_id) as connection:
            return await nodes_at(connection, tenant_id, positions)

    async def entry(self, caller: Caller, event_id: UUID) -> Entry | None:
        values = {"tenant": caller.tenant_id, "person": caller.person_id, "event": event_id}
        async with transaction(self.engine, caller.tenant_id) as connection:
            rows = (await connection.execute(statement("log_entry"), values)).all()
        return _entry_of(rows) if rows else None

    async def own_events(
        self, caller: Caller, *, after: UUID | None, limit: int
    ) -> Sequence[Entry]:
        values = {
            "tenant": caller.tenant_id,
            "person": caller.person_id,
            "after": after,
            "limit": limit,
        }
        async with transaction(self.engine, caller.tenant_id) as connection:
            rows = (await connection.execute(statement("own_events"), values)).all()
        return [_entry_of(list(same)) for _, same in groupby(rows, key=lambda row: row.id)]

    async def owns(self, caller: Caller, document_id: DocumentId) -> bool:
        own = select(documents.c.id).where(
            documents.c.tenant_id == caller.tenant_id,
            documents.c.owner_id == caller.person_id,
            documents.c.id == document_id,
        )
        async with transaction(self.engine, caller.tenant_id) as connection:
            return (await connection.execute(own)).one_or_none() is not None

    async def accesses(
        self, caller: Caller, document_id: DocumentId, *, after: int, limit: int
    ) -> Sequence[Access]:
        values = {
            "tenant": caller.tenant_id,
            "document": document_id,
            "after": after,
            "limit": limit,
        }
        async with transaction(self.engine, caller.tenant_id) as connection:
            rows = (await connection.execute(statement("document_accesses"), values)).all()
        return [
            Access(
                number=row.release_seq,
                event_id=row.id,
                at=row.at,
                person_id=PersonId(row.actor_id),
                display_name=row.display_name,
                action=row.action,
                purpose=row.purpose,
                version=row.version,
                grant_id=row.grant_id and GrantId(row.grant_id),
            )
            for row in rows
        ]


def _entry_of(rows: Sequence[Any]) -> Entry:
    first = rows[0]
    return Entry(
        event=logged_event(rows),
        body=first.body or {},
        own_documents=frozenset(DocumentId(row.document_id) for row in rows if row.is_own),
        index=first.leaf_index,
        leaf=first.leaf,
    )
