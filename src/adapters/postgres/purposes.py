"""The registry of purposes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.tables import purposes
from application.ports import NewId
from domain.consent.purpose import RegisteredPurpose
from domain.identity import Caller, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPurposes:
    """`Purposes`."""

    engine: AsyncEngine
    evidence: PostgresEvidence
    new_id: NewId

    async def all(self, caller: Caller) -> Sequence[RegisteredPurpose]:
        registered = (
            select(purposes.c.code, purposes.c.title, purposes.c.dpv_term)
            .where(purposes.c.tenant_id == caller.tenant_id)
            .order_by(purposes.c.code)
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return [
                RegisteredPurpose(code=Purpose(row.code), title=row.title, dpv_term=row.dpv_term)
                for row in await connection.execute(registered)
            ]

    async def put(self, caller: Caller, purpose: RegisteredPurpose) -> None:
        told = {"title": purpose.title, "dpv_term": purpose.dpv_term}
        entry = upsert(purposes).values(tenant_id=caller.tenant_id, code=purpose.code, **told)
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            await connection.execute(
                entry.on_conflict_do_update(index_elements=["tenant_id", "code"], set_=told)
            )
            await record_event(
                connection,
                caller,
                sealing,
                event_id=self.new_id(),
                type="purpose_registered",
                at=None,
                purpose=purpose.code,
                body=told,
            )
