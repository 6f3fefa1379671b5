"""The registry of purposes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.tables import consents, purposes
from application.ports import NewId
from domain.consent.purpose import PurposeAgreedTo, RegisteredPurpose
from domain.identity import Caller, Purpose, TenantId

KNOWN_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresPurposes:
    """`Purposes`."""

    engine: AsyncEngine
    evidence: PostgresEvidence
    new_id: NewId
    _known: OrderedDict[tuple[TenantId, Purpose], None] = field(
        default_factory=OrderedDict, repr=False
    )

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

    async def has(self, caller: Caller, code: Purpose) -> bool:
        """Asked of the database once in a process: nothing is ever taken out of the registry."""
        if (caller.tenant_id, code) in self._known:
            return True
        one = select(purposes.c.code).where(
            purposes.c.tenant_id == caller.tenant_id, purposes.c.code == code
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            if (await connection.execute(one)).one_or_none() is None:
                return False
        self._known[caller.tenant_id, code] = None
        while len(self._known) > KNOWN_MAX:
            self._known.popitem(last=False)
        return True

    async def put(self, caller: Caller, purpose: RegisteredPurpose) -> None:
        told = {"title": purpose.title, "dpv_term": purpose.dpv_term}
        entry = upsert(purposes).values(tenant_id=caller.tenant_id, code=purpose.code, **told)
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            if await self._is_agreed_to_otherwise(connection, caller, purpose):
                raise PurposeAgreedTo
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

    async def _is_agreed_to_otherwise(
        self, connection: AsyncConnection, caller: Caller, purpose: RegisteredPurpose
    ) -> bool:
        """Whether a consent names it, and it is told in other words than these."""
        one = (
            select(purposes.c.title, purposes.c.dpv_term)
            .where(purposes.c.tenant_id == caller.tenant_id, purposes.c.code == purpose.code)
            .with_for_update()
        )
        now = (await connection.execute(one)).one_or_none()
        if now is None or (now.title, now.dpv_term) == (purpose.title, purpose.dpv_term):
            return False
        agreed = select(consents.c.id).where(
            consents.c.tenant_id == caller.tenant_id,
            consents.c.record["purposes"].has_key(purpose.code),
        )
        return (await connection.execute(agreed.limit(1))).one_or_none() is not None
