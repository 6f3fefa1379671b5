"""The transparency log as those see it who may read."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.audit import logged_event, nodes_at
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import PostgresEvidence, body_context, evidence_context
from adapters.postgres.statements import statement
from adapters.postgres.tables import (
    audit_checkpoints,
    audit_cosignatures,
    audit_leaves,
    documents,
)
from application.audit.ports import (
    Access,
    AccessFilter,
    DeniedAccess,
    Entry,
    Failure,
    StoredCheckpoint,
)
from application.ports import DataKey
from domain.audit.checkpoint import Checkpoint
from domain.audit.cosignature import Cosignature
from domain.audit.leaf import DENIAL, LoggedEvent
from domain.audit.tree import Nodes, Position
from domain.consent.link import LinkRefusal
from domain.identity import Caller, DocumentId, GrantId, PersonId, TenantId

_LOGGED_CHECKPOINT = text("SELECT logged_checkpoint()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAuditTrail:
    """`AuditTrail`."""

    engine: AsyncEngine
    evidence: PostgresEvidence

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

    async def cosigned(self, tenant_id: TenantId) -> StoredCheckpoint | None:
        signed, made = audit_checkpoints.c, audit_cosignatures.c
        latest = (
            select(signed.size, signed.note, made.line)
            .join_from(audit_checkpoints, audit_cosignatures)
            .where(
                signed.tenant_id == tenant_id,
                signed.size
                == select(func.max(made.size)).where(made.tenant_id == tenant_id).scalar_subquery(),
            )
            .order_by(made.witness)
        )
        async with transaction(self.engine, tenant_id) as connection:
            rows = (await connection.execute(latest)).all()
        if not rows:
            return None
        lines = "".join(f"{row.line}\n" for row in rows)
        return StoredCheckpoint(size=rows[0].size, note=rows[0].note + lines)

    async def keep_cosignatures(
        self, tenant_id: TenantId, checkpoint: Checkpoint, cosignatures: Sequence[Cosignature]
    ) -> bool:
        ours = select(audit_checkpoints.c.root).where(
            audit_checkpoints.c.tenant_id == tenant_id, audit_checkpoints.c.size == checkpoint.size
        )
        new = [
            {
                "tenant_id": tenant_id,
                "size": checkpoint.size,
                "witness": f"{each.witness.name}+{each.witness.id.hex()}",
                "at": each.at,
                "line": each.line,
            }
            for each in cosignatures
        ]
        async with transaction(self.engine, tenant_id) as connection:
            if (await connection.execute(ours)).scalar_one_or_none() != checkpoint.root:
                return False
            await connection.execute(insert(audit_cosignatures).on_conflict_do_nothing(), new)
        return True

    async def nodes(self, tenant_id: TenantId, positions: Collection[Position]) -> Nodes:
        async with transaction(self.engine, tenant_id) as connection:
            return await nodes_at(connection, tenant_id, positions)

    async def logged_checkpoint(self, tenant_id: TenantId) -> UUID | None:
        async with transaction(self.engine, tenant_id) as connection:
            found: UUID | None = (await connection.execute(_LOGGED_CHECKPOINT)).scalar_one()
        return found

    async def leaves(self, tenant_id: TenantId, first: int, count: int) -> Sequence[bytes]:
        wanted = (
            select(audit_leaves.c.leaf)
            .where(
                audit_leaves.c.tenant_id == tenant_id,
                audit_leaves.c.leaf_index >= first,
                audit_leaves.c.leaf_index < first + count,
            )
            .order_by(audit_leaves.c.leaf_index)
        )
        async with transaction(self.engine, tenant_id) as connection:
            return (await connection.execute(wanted)).scalars().all()

    async def entries(self, caller: Caller, event_ids: Sequence[UUID]) -> Mapping[UUID, Entry]:
        tenant_id, wanted = caller.tenant_id, list(event_ids)
        values = {"tenant": tenant_id, "person": caller.person_id, "events": wanted}
        async with transaction(self.engine, tenant_id, caller.person_id) as connection:
            found = (await connection.execute(statement("log_entries"), values)).all()
            wrapped = await self.evidence.opening_keys(connection, wanted) if found else []
        keys = await self.evidence.open_keys(tenant_id, wrapped)
        entries = {}
        for event_id, same in groupby(found, key=lambda row: row.id):
            rows = list(same)
            entries[event_id] = replace(
                _entry_of(rows),
                event=self._with_evidence(tenant_id, logged_event(rows), rows, keys),
                body=self._body(tenant_id, rows[0], keys),
            )
        return entries

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
        self,
        caller: Caller,
        document_id: DocumentId,
        *,
        only: AccessFilter,
        after: int,
        limit: int,
    ) -> Sequence[Access]:
        values = _filtered(caller, document_id, only) | {"after": after, "limit": limit}
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
                failure=row.failure_id
                and Failure(event_id=row.failure_id, at=row.failed_at, reason=row.reason),
            )
            for row in rows
        ]

    async def denials(
        self,
        caller: Caller,
        document_id: DocumentId,
        *,
        only: AccessFilter,
        after: UUID | None,
        limit: int,
    ) -> Sequence[DeniedAccess]:
        values = _filtered(caller, document_id, only) | {
            "after": after,
            "limit": limit,
            "link_refusals": list(LinkRefusal),
        }
        async with transaction(self.engine, caller.tenant_id) as connection:
            rows = (await connection.execute(statement("document_denials"), values)).all()
        return [
            DeniedAccess(
                event_id=row.id,
                at=row.at,
                person_id=PersonId(row.actor_id),
                display_name=row.display_name,
                action=row.action,
                purpose=row.purpose,
                version=row.version,
                integrated=row.integrated,
                reason=None if row.type == DENIAL else row.type,
            )
            for row in rows
        ]

    def _with_evidence(
        self,
        tenant_id: TenantId,
        event: LoggedEvent,
        rows: Sequence[Any],
        keys: Mapping[UUID, DataKey],
    ) -> LoggedEvent:
        """With what the keys open."""
        sealed = {(row.document_id, row.version): row for row in rows if row.key_id in keys}
        opened = []
        for each in event.resources:
            row = sealed.get((each.document_id, each.version))
            if row is not None:
                context = evidence_context(tenant_id, event.id, each.document_id, each.version)
                found = self.evidence.boxes.open(keys[row.key_id], row.sealed_evidence, context)
                each = replace(each, evidence=found)
            opened.append(each)
        return replace(event, resources=opened)

    def _body(self, tenant_id: TenantId, row: Any, keys: Mapping[UUID, DataKey]) -> bytes | None:
        if row.sealed_body is None:
            return self.evidence.canonical(row.body or {})
        if row.body_key_id not in keys:
            return None
        context = body_context(tenant_id, row.id)
        return self.evidence.boxes.open(keys[row.body_key_id], row.sealed_body, context)


def _entry_of(rows: Sequence[Any]) -> Entry:
    first = rows[0]
    return Entry(
        event=logged_event(rows),
        body=None,
        own_documents=frozenset(DocumentId(row.document_id) for row in rows if row.is_own),
        index=first.leaf_index,
        leaf=first.leaf,
    )


def _filtered(caller: Caller, document_id: DocumentId, only: AccessFilter) -> dict[str, object]:
    return {
        "tenant": caller.tenant_id,
        "document": document_id,
        "person": only.person_id,
        "action": only.action,
        "purpose": only.purpose,
        "grant": only.grant_id,
        "since": only.since,
        "until": only.until,
    }
