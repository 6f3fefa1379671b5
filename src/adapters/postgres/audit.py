"""The transparency log as its sequencer writes it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import transaction, translated_outages
from adapters.postgres.statements import statement
from adapters.postgres.tables import audit_checkpoints
from application.audit.ports import NewEntries, PendingEntry
from domain.audit.leaf import LoggedEvent, LoggedResource
from domain.audit.tree import Nodes, Position
from domain.identity import TenantId

# A sequencer that is frozen holds its log for this long, and can then not commit any more.
FROZEN_SECONDS_MAX = 5

_LOCK = text(
    "SELECT set_config('idle_in_transaction_session_timeout', :frozen, true),"
    " pg_try_advisory_xact_lock(hashtextextended('transparency log ' || :tenant, 0)) AS locked"
)
_PENDING = text("SELECT tenant_id FROM tenants_with_pending_events()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresLog:
    """`Log`, on connections of the sequencer's role."""

    engine: AsyncEngine

    @asynccontextmanager
    async def begin(self, tenant_id: TenantId) -> AsyncIterator[PostgresLogTransaction]:
        async with transaction(self.engine, tenant_id) as connection:
            yield PostgresLogTransaction(connection=connection, tenant_id=tenant_id)

    async def tenants_with_pending(self) -> Sequence[TenantId]:
        with translated_outages():
            async with self.engine.begin() as connection:
                return [TenantId(each) for each in (await connection.execute(_PENDING)).scalars()]


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresLogTransaction:
    """`LogTransaction` on one open transaction."""

    connection: AsyncConnection
    tenant_id: TenantId

    async def lock(self) -> bool:
        values = {"tenant": str(self.tenant_id), "frozen": f"{FROZEN_SECONDS_MAX}s"}
        return bool((await self.connection.execute(_LOCK, values)).one().locked)

    async def drain(self, limit: int) -> Sequence[PendingEntry]:
        values = {"tenant": self.tenant_id, "limit": limit}
        rows = (await self.connection.execute(statement("drain_pending"), values)).all()
        return [_pending_of(list(same)) for _, same in groupby(rows, key=lambda row: row.id)]

    async def checkpoint(self) -> str | None:
        latest = (
            select(audit_checkpoints.c.note)
            .where(audit_checkpoints.c.tenant_id == self.tenant_id)
            .order_by(audit_checkpoints.c.size.desc())
            .limit(1)
        )
        note: str | None = (await self.connection.execute(latest)).scalar_one_or_none()
        return note

    async def nodes(self, positions: Collection[Position]) -> Nodes:
        return await nodes_at(self.connection, self.tenant_id, positions)

    async def append(self, entries: NewEntries) -> None:
        await self.connection.execute(
            statement("append_entries"),
            {
                "tenant": self.tenant_id,
                "first_index": entries.first_index,
                "events": list(entries.event_ids),
                "leaves": list(entries.leaves),
                "levels": [at.level for at in entries.nodes],
                "places": [at.place for at in entries.nodes],
                "hashes": list(entries.nodes.values()),
                "size": entries.size,
                "root": entries.root,
                "note": entries.note,
            },
        )


async def nodes_at(
    connection: AsyncConnection, tenant_id: TenantId, positions: Collection[Position]
) -> Nodes:
    """Those of the nodes that are there."""
    wanted = {
        "tenant": tenant_id,
        "levels": [at.level for at in positions],
        "places": [at.place for at in positions],
    }
    rows = await connection.execute(statement("log_nodes"), wanted)
    return {Position(level, place): hash_ for level, place, hash_ in rows}


def logged_event(rows: Sequence[Any]) -> LoggedEvent:
    """An event from its rows, one for each version that it is about."""
    event = rows[0]
    return LoggedEvent(
        id=event.id,
        type=event.type,
        at=event.at,
        actor_id=event.actor_id,
        action=event.action,
        purpose=event.purpose,
        policy_version=event.policy_version,
        resources=[
            LoggedResource(
                document_id=row.document_id,
                version=row.version,
                grant_id=row.grant_id,
                grant_epoch=row.grant_epoch,
                consent_id=row.consent_id,
                release_seq=row.release_seq,
                commitment=row.commitment,
                evidence_commitment=row.evidence_commitment,
                salt=row.resource_salt,
            )
            for row in rows
            if row.document_id is not None
        ],
        actor_commitment=event.actor_commitment,
        body_commitment=event.body_commitment,
        salt=event.salt,
    )


def _pending_of(rows: Sequence[Any]) -> PendingEntry:
    return PendingEntry(
        event=logged_event(rows), body=rows[0].body or {}, waited_seconds=rows[0].waited_seconds
    )
