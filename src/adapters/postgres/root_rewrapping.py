"""Moving every tenant's key to the active version of the root key, and ending the old versions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.engine import transaction, translated_outages
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.key_chain import HOLD_ROOT, tenant_key_context
from adapters.postgres.tables import wrapping_keys
from application.ports import NewId, Tampered
from application.vault.key_service import RootKeyDestroyed, WrappingKeys
from domain.identity import OPERATOR, Caller, TenantId

# Between a wrapped key being read from the database and being unwrapped lies one call of the key
# service, which is bounded; a version of the root key is destroyed so long after its last use.
GRACE_SECONDS = 60.0

_TENANTS = text("SELECT tenant_id FROM tenants_with_keys()")
_ENTER = text("SELECT set_config('app.tenant', :tenant, true)")


@dataclass(slots=True, kw_only=True)
class RootRewrapping:
    """There are as many tenant keys as tenants, so each is a transaction of its own."""

    engine: AsyncEngine
    root: WrappingKeys
    evidence: PostgresEvidence
    new_id: NewId
    grace_seconds: float = GRACE_SECONDS
    clock: Callable[[], float] = time.monotonic
    _empty_since: float | None = field(default=None, init=False)
    """Since when nothing has been found under an old version."""

    async def rewrap(self) -> int:
        """How many tenants' keys were moved. Old versions go in a call after the grace is over."""
        *old, active = await self.root.versions()
        moved = 0
        for tenant_id in await self._tenants() if old else ():
            moved += await self._rewrap_tenant(tenant_id, active)
        if moved or not old:
            self._empty_since = None
        elif self._empty_since is None:
            self._empty_since = self.clock()
        if self._empty_since is not None and self.clock() - self._empty_since >= self.grace_seconds:
            await self._destroy(old)
        return moved

    async def left(self) -> Counter[int]:
        """By version of the root key: how many tenants' keys are wrapped under it."""
        counts = Counter(dict.fromkeys(await self.root.versions(), 0))
        for tenant_id in await self._tenants():
            async with transaction(self.engine, tenant_id) as connection:
                rows = await _tenant_keys(connection, tenant_id)
            counts.update(self.root.version(row.wrapped) for row in rows)
        return counts

    async def _rewrap_tenant(self, tenant_id: TenantId, active: int) -> int:
        moved = 0
        async with transaction(self.engine, tenant_id) as connection:
            for row in await _tenant_keys(connection, tenant_id, lock=True):
                if self.root.version(row.wrapped) >= active:
                    continue
                context = tenant_key_context(tenant_id, row.version)
                try:
                    wrapped = await self.root.rewrap(row.wrapped, context)
                except (Tampered, RootKeyDestroyed):
                    continue  # it stays, and its version of the root key with it
                await connection.execute(
                    update(wrapping_keys)
                    .where(wrapping_keys.c.tenant_id == tenant_id, wrapping_keys.c.id == row.id)
                    .values(wrapped=wrapped)
                )
                moved += 1
            if moved:
                await self._record(connection, tenant_id, "key_rotated", active)
        return moved

    async def _destroy(self, old: Sequence[int]) -> None:
        """Unless something is found under one of them after all: then the next call moves it."""
        with translated_outages():
            async with self.engine.begin() as connection:
                await connection.execute(HOLD_ROOT)
                tenants = [
                    TenantId(each) for each in (await connection.execute(_TENANTS)).scalars()
                ]
                for tenant_id in tenants:
                    await connection.execute(_ENTER, {"tenant": str(tenant_id)})
                    rows = await _tenant_keys(connection, tenant_id)
                    if any(self.root.version(row.wrapped) in old for row in rows):
                        self._empty_since = None
                        return
                    for version in old:
                        await self._record(connection, tenant_id, "key_destroyed", version)
                await self.root.destroy(old[-1])

    async def _tenants(self) -> Sequence[TenantId]:
        with translated_outages():
            async with self.engine.connect() as connection:
                return [TenantId(each) for each in (await connection.execute(_TENANTS)).scalars()]

    async def _record(
        self, connection: AsyncConnection, tenant_id: TenantId, kind: str, version: int
    ) -> None:
        await record_event(
            connection,
            Caller(tenant_id=tenant_id, person_id=OPERATOR),
            self.evidence.for_operators,
            event_id=self.new_id(),
            type=kind,
            at=None,
            body={"key": "root", "version": version},
        )


async def _tenant_keys(
    connection: AsyncConnection, tenant_id: TenantId, *, lock: bool = False
) -> Sequence[Any]:
    keys = select(wrapping_keys.c.id, wrapping_keys.c.version, wrapping_keys.c.wrapped).where(
        wrapping_keys.c.tenant_id == tenant_id, wrapping_keys.c.subject_id.is_(None)
    )
    if lock:
        keys = keys.with_for_update(skip_locked=True, key_share=True)
    return (await connection.execute(keys)).all()
