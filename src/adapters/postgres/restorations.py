"""The logs say that they were restored from a backup."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.engine import transaction, translated_outages
from adapters.postgres.evidence import Sealing
from application.ports import NewId
from domain.identity import OPERATOR, Caller, TenantId

_TENANTS = text("SELECT tenant_id FROM tenants_with_keys()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresRestorations:
    """`Restorations`, on connections of the keykeeper's role, who alone may see all tenants."""

    engine: AsyncEngine
    sealing: Sealing
    new_id: NewId

    async def record(self, body: Mapping[str, object]) -> None:
        with translated_outages():
            async with self.engine.connect() as connection:
                tenants = (await connection.execute(_TENANTS)).scalars().all()
        for tenant_id in map(TenantId, tenants):
            async with transaction(self.engine, tenant_id) as connection:
                await record_event(
                    connection,
                    Caller(tenant_id=tenant_id, person_id=OPERATOR),
                    self.sealing,
                    event_id=self.new_id(),
                    type="restored",
                    at=None,
                    body=dict(body),
                )
