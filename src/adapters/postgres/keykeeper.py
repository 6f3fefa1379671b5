"""Key rotation: new versions of keys, and the end of the old ones once nothing is under them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.engine import transaction, translated_outages
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.key_chain import KeyChain
from adapters.postgres.rewrapping import Rewrapping, wrapping_key
from adapters.postgres.root_rewrapping import RootRewrapping
from adapters.postgres.statements import statement
from adapters.postgres.tables import data_keys, wrapping_keys
from application.ports import NewId, Tampered
from application.vault.key_service import RootKeyDestroyed
from application.vault.keykeeper import KeyVersion, NothingToRotate
from domain.identity import OPERATOR, Caller, PersonId, TenantId

_WITH_RETIRED_KEYS = text("SELECT tenant_id FROM tenants_with_retired_keys()")
# Of rotations at once in one tenant, each sees what the one before it did.
_ROTATING = text("SELECT pg_advisory_xact_lock(hashtextextended('key rotation ' || :tenant, 0))")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresKeykeeper:
    """`Keykeeper`, on connections of the keykeeper's role."""

    engine: AsyncEngine
    chain: KeyChain
    rewrapping: Rewrapping
    root: RootRewrapping
    evidence: PostgresEvidence
    new_id: NewId

    async def rotate_root(self) -> int:
        return await self.chain.root.rotate()

    async def rotate(self, tenant_id: TenantId, subject_id: PersonId | None = None) -> int:
        async with transaction(self.engine, tenant_id) as connection:
            await connection.execute(_ROTATING, {"tenant": str(tenant_id)})
            active = await wrapping_key(connection, tenant_id, subject=subject_id)
            if active is None:
                raise NothingToRotate
            version: int = active.subject_key_version + 1
            fresh = await self._fresh(connection, tenant_id, subject_id, version)
            await connection.execute(
                update(wrapping_keys)
                .where(_is(tenant_id, active.subject_key_id))
                .values(retired_at=func.clock_timestamp())
            )
            await connection.execute(insert(wrapping_keys).values(id=self.new_id(), **fresh))
            await self._record(connection, tenant_id, "key_rotated", subject_id, version)
        return version

    async def rewrap(self) -> int:
        with translated_outages():
            async with self.engine.connect() as connection:
                tenants = (await connection.execute(_WITH_RETIRED_KEYS)).scalars().all()
        moved = 0
        for tenant_id in map(TenantId, tenants):
            for old in await self._retired(tenant_id):
                try:
                    moved += await self.rewrapping(tenant_id, old)
                except (Tampered, RootKeyDestroyed) as damaged:  # one tenant's is not the others'
                    error = type(damaged).__name__
                    log.warning("keys_not_rewrapped", tenant_id=str(tenant_id), error=error)
                    continue
                await self._destroy_if_empty(tenant_id, old)
        return moved + await self.root.rewrap()

    async def versions(self, tenant_id: TenantId) -> Sequence[KeyVersion]:
        roots = sorted((await self.root.left()).items())
        async with transaction(self.engine, tenant_id) as connection:
            asked = {"tenant": tenant_id}
            rows = (await connection.execute(statement("key_versions"), asked)).all()
        return [
            *(
                KeyVersion(key="root", version=version, active=version == roots[-1][0], wraps=left)
                for version, left in roots
            ),
            *(
                KeyVersion(
                    key="tenant" if row.subject_id is None else "subject",
                    subject_id=row.subject_id,
                    version=row.version,
                    active=row.active,
                    wraps=row.wraps,
                )
                for row in rows
            ),
        ]

    async def _fresh(
        self,
        connection: AsyncConnection,
        tenant_id: TenantId,
        subject_id: PersonId | None,
        version: int,
    ) -> dict[str, object]:
        key = self.chain.cipher.new_key()
        row = {"tenant_id": tenant_id, "subject_id": subject_id, "version": version}
        if subject_id is None:
            wrapped = await self.chain.wrap_tenant_key(connection, key, tenant_id, version)
            return row | {"wrapped": wrapped}
        above = await wrapping_key(connection, tenant_id)
        tenant_key = await self.chain.tenant_key(above, tenant_id)
        wrapped = self.chain.wrap_subject_key(tenant_key, key, tenant_id, subject_id, version)
        return row | {"wrapped": wrapped, "wrapping_key_id": above.tenant_key_id}

    async def _retired(self, tenant_id: TenantId) -> Sequence[Any]:
        """The tenant's own first: then what is below is wrapped under its new key already."""
        retired = (
            select(wrapping_keys.c.id, wrapping_keys.c.subject_id, wrapping_keys.c.version)
            .where(wrapping_keys.c.tenant_id == tenant_id, wrapping_keys.c.retired_at.is_not(None))
            .order_by(wrapping_keys.c.subject_id.nulls_first(), wrapping_keys.c.version)
        )
        async with transaction(self.engine, tenant_id) as connection:
            return (await connection.execute(retired)).all()

    async def _destroy_if_empty(self, tenant_id: TenantId, old: Any) -> None:
        """Whoever holds it is about to store something under it: then it is left for next time.

        The lock comes first, so that the statement that deletes sees what was stored before it.
        """
        held = (
            select(wrapping_keys.c.id)
            .where(_is(tenant_id, old.id))
            .with_for_update(skip_locked=True)
        )
        gone = delete(wrapping_keys).where(_is(tenant_id, old.id))
        for table in (wrapping_keys.alias("below"), data_keys):
            under = select(table.c.id).where(
                table.c.tenant_id == tenant_id, table.c.wrapping_key_id == old.id
            )
            gone = gone.where(~under.exists())
        async with transaction(self.engine, tenant_id) as connection:
            if (await connection.execute(held)).one_or_none() is None:
                return
            if (await connection.execute(gone)).rowcount:
                subject_id, version = old.subject_id, old.version
                await self._record(connection, tenant_id, "key_destroyed", subject_id, version)

    async def _record(
        self,
        connection: AsyncConnection,
        tenant_id: TenantId,
        kind: str,
        subject_id: UUID | None,
        version: int,
    ) -> None:
        key = "tenant" if subject_id is None else "subject"
        whose = {} if subject_id is None else {"subject_id": str(subject_id)}
        await record_event(
            connection,
            Caller(tenant_id=tenant_id, person_id=OPERATOR),
            self.evidence.for_operators,
            event_id=self.new_id(),
            type=kind,
            at=None,
            body={"key": key, "version": version, **whose},
        )


def _is(tenant_id: TenantId, key_id: UUID) -> Any:
    return (wrapping_keys.c.tenant_id == tenant_id) & (wrapping_keys.c.id == key_id)
