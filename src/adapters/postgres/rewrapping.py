"""Moving what is wrapped under an old version of a tenant's or a subject's key to the active one.

In batches, each a transaction of its own: it may be left at any moment, and whoever looks next
goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Table, bindparam, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.key_chain import KeyChain, data_key_context
from adapters.postgres.statements import statement
from adapters.postgres.tables import data_keys, wrapping_keys
from application.ports import Tampered
from domain.identity import TenantId

BATCH = 200
_BEFORE_ALL = UUID(int=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrapping:
    """What does not open stays where it is, and its old key with it."""

    engine: AsyncEngine
    chain: KeyChain
    batch: int = BATCH

    async def __call__(self, tenant_id: TenantId, old: Any) -> int:
        """How many keys were moved. `old` has id and subject_id (None: it is the tenant's key)."""
        moved, after = 0, _BEFORE_ALL
        pick = "pick_subject_keys" if old.subject_id is None else "pick_data_keys"
        while True:
            async with transaction(self.engine, tenant_id) as connection:
                values = {"tenant": tenant_id, "under": old.id, "after": after, "limit": self.batch}
                picked = (await connection.execute(statement(pick), values)).all()
                if not picked:
                    return moved
                if old.subject_id is None:
                    moved += await self._move_subject_keys(connection, tenant_id, old, picked)
                else:
                    moved += await self._move_data_keys(connection, tenant_id, old, picked)
                after = picked[-1].id

    async def _move_subject_keys(
        self, connection: AsyncConnection, tenant_id: TenantId, old: Any, picked: Any
    ) -> int:
        above = await wrapping_key(connection, tenant_id, id=old.id)
        active = await wrapping_key(connection, tenant_id)
        old_key = await self.chain.tenant_key(above, tenant_id)
        new_key = await self.chain.tenant_key(active, tenant_id)
        rewrapped = {}
        for row in picked:
            try:
                key = self.chain.subject_key(old_key, row, tenant_id, row.subject_id)
            except Tampered:
                continue
            rewrapped[row.id] = self.chain.wrap_subject_key(
                new_key, key, tenant_id, row.subject_id, row.subject_key_version
            )
        return await _store(connection, wrapping_keys, tenant_id, rewrapped, active.tenant_key_id)

    async def _move_data_keys(
        self, connection: AsyncConnection, tenant_id: TenantId, old: Any, picked: Any
    ) -> int:
        above = await wrapping_key(connection, tenant_id, id=old.id)
        active = await wrapping_key(connection, tenant_id, subject=old.subject_id)
        old_key, new_key = [
            self.chain.subject_key(
                await self.chain.tenant_key(row, tenant_id), row, tenant_id, old.subject_id
            )
            for row in (above, active)
        ]
        rewrapped = {}
        for row in picked:
            context = data_key_context(tenant_id, row)
            try:
                secret = self.chain.cipher.open(old_key, row.wrapped, context)
            except Tampered:
                continue
            rewrapped[row.id] = self.chain.cipher.seal(new_key, secret, context)
        return await _store(connection, data_keys, tenant_id, rewrapped, active.subject_key_id)


async def wrapping_key(
    connection: AsyncConnection,
    tenant_id: TenantId,
    *,
    subject: UUID | None = None,
    id: UUID | None = None,  # noqa: A002 - the column's name
) -> Any:
    """The key of this id, else the active key of the subject (None: of the tenant)."""
    values = {"tenant": tenant_id, "subject": subject, "id": id}
    return (await connection.execute(statement("wrapping_key"), values)).one_or_none()


async def _store(
    connection: AsyncConnection,
    table: Table,
    tenant_id: TenantId,
    rewrapped: Mapping[UUID, bytes],
    under: UUID,
) -> int:
    if rewrapped:
        await connection.execute(
            update(table)
            .where(table.c.tenant_id == tenant_id, table.c.id == bindparam("moved"))
            .values(wrapping_key_id=under, wrapped=bindparam("rewrapped")),
            [{"moved": id_, "rewrapped": wrapped} for id_, wrapped in rewrapped.items()],
        )
    return len(rewrapped)
