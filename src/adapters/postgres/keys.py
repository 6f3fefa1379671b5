"""The key hierarchy in the database: root -> tenant -> subject -> data key, each wrapped.

Wrapped data keys are written here and never read here: reading one takes a release (`gate.py`)
or ownership (`take_own_keys`), and the database holds that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.tables import data_keys, wrapping_keys
from application.ports import Cipher, Context, DataKey, NewId
from application.vault.key_service import KeyService
from domain.identity import Caller, PersonId, TenantId

_TAKE_OWN = text("SELECT * FROM take_own_keys(:resources)")


class KeyKind(StrEnum):
    """What a data key opens."""

    CONTENT = "content"
    METADATA = "metadata"
    CONVERSATION = "conversation"
    EVIDENCE = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresKeys:
    """Makes, keeps, opens and destroys data keys."""

    key_service: KeyService
    cipher: Cipher
    new_id: NewId

    async def keep(
        self,
        connection: AsyncConnection,
        caller: Caller,
        kind: KeyKind,
        resource: UUID,
        key: DataKey,
        *,
        version: int = 0,
        public_key: bytes | None = None,
    ) -> None:
        """Wrap `key` under its owner's key and store it, in the caller's transaction."""
        tenant_id, owner_id = caller.tenant_id, caller.person_id
        subject_key_id, subject_key = await self._subject_key(connection, tenant_id, owner_id)
        context = _data_key_context(tenant_id, owner_id, kind, resource, version)
        await connection.execute(
            insert(data_keys).values(
                tenant_id=tenant_id,
                id=self.new_id(),
                kind=kind,
                owner_id=owner_id,
                resource_id=resource,
                version=version,
                wrapping_key_id=subject_key_id,
                wrapped=self.cipher.seal(subject_key, key.secret, context),
                public_key=public_key,
            )
        )

    async def destroy(
        self, connection: AsyncConnection, tenant_id: TenantId, resource: UUID
    ) -> int:
        """Delete every data key of a document or conversation; how many there were."""
        gone = delete(data_keys).where(
            data_keys.c.tenant_id == tenant_id, data_keys.c.resource_id == resource
        )
        return int((await connection.execute(gone)).rowcount)

    async def unwrap(self, tenant_id: TenantId, rows: Sequence[Any]) -> Sequence[DataKey]:
        """Open rows of take_deks or take_own_keys, in order, each key above them only once."""
        tenant_keys: dict[UUID, DataKey] = {}
        subject_keys: dict[UUID, DataKey] = {}
        opened = []
        for row in rows:
            if row.tenant_key_id not in tenant_keys:
                tenant_keys[row.tenant_key_id] = await self.key_service.unwrap(
                    row.tenant_wrapped, _tenant_key_context(tenant_id)
                )
            if row.subject_key_id not in subject_keys:
                context = _subject_key_context(tenant_id, row.owner_id)
                tenant_key = tenant_keys[row.tenant_key_id]
                subject_keys[row.subject_key_id] = DataKey(
                    self.cipher.open(tenant_key, row.subject_wrapped, context)
                )
            resource, version = _resource_of(row)
            context = _data_key_context(tenant_id, row.owner_id, row.kind, resource, version)
            subject_key = subject_keys[row.subject_key_id]
            opened.append(DataKey(self.cipher.open(subject_key, row.wrapped, context)))
        return opened

    async def _subject_key(
        self, connection: AsyncConnection, tenant_id: TenantId, subject_id: PersonId
    ) -> tuple[UUID, DataKey]:
        tenant_key = await self._tenant_key(connection, tenant_id)
        context = _subject_key_context(tenant_id, subject_id)
        found = await _newest(connection, tenant_id, subject_id)
        if found is None:
            fresh = self.cipher.seal(tenant_key, self.cipher.new_key().secret, context)
            await self._keep_wrapping_key(connection, tenant_id, subject_id, fresh)
            found = await _newest(connection, tenant_id, subject_id)
        return found.id, DataKey(self.cipher.open(tenant_key, found.wrapped, context))

    async def _tenant_key(self, connection: AsyncConnection, tenant_id: TenantId) -> DataKey:
        context = _tenant_key_context(tenant_id)
        found = await _newest(connection, tenant_id, None)
        if found is None:
            fresh = await self.key_service.wrap(self.cipher.new_key(), context)
            await self._keep_wrapping_key(connection, tenant_id, None, fresh)
            found = await _newest(connection, tenant_id, None)
        return await self.key_service.unwrap(found.wrapped, context)

    async def _keep_wrapping_key(
        self,
        connection: AsyncConnection,
        tenant_id: TenantId,
        subject_id: PersonId | None,
        wrapped: bytes,
    ) -> None:
        """The first writer wins; whoever came second reads the first one's key."""
        await connection.execute(
            upsert(wrapping_keys)
            .values(
                tenant_id=tenant_id,
                id=self.new_id(),
                subject_id=subject_id,
                version=1,
                wrapped=wrapped,
            )
            .on_conflict_do_nothing()
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresOwnKeys:
    """`OwnKeys`: the database checks who the owner is, not this code."""

    engine: AsyncEngine
    keys: PostgresKeys

    async def __call__(
        self, *, caller: Caller, resources: Sequence[UUID]
    ) -> Mapping[UUID, DataKey]:
        if not resources:
            return {}
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            rows = (await connection.execute(_TAKE_OWN, {"resources": list(resources)})).all()
        keys = await self.keys.unwrap(caller.tenant_id, rows)
        return {row.resource_id: key for row, key in zip(rows, keys, strict=True)}


async def _newest(
    connection: AsyncConnection, tenant_id: TenantId, subject_id: PersonId | None
) -> Any:
    newest = (
        select(wrapping_keys.c.id, wrapping_keys.c.wrapped)
        .where(
            wrapping_keys.c.tenant_id == tenant_id,
            wrapping_keys.c.subject_id.is_not_distinct_from(subject_id),
        )
        .order_by(wrapping_keys.c.version.desc())
        .limit(1)
    )
    return (await connection.execute(newest)).one_or_none()


def _resource_of(row: Any) -> tuple[UUID, int]:
    resource = getattr(row, "resource_id", None) or row.document_id
    return resource, row.version if row.kind == KeyKind.CONTENT else 0


def _tenant_key_context(tenant_id: TenantId) -> Context:
    return (b"tenant key", tenant_id.bytes)


def _subject_key_context(tenant_id: TenantId, subject_id: PersonId) -> Context:
    return (b"subject key", tenant_id.bytes, subject_id.bytes)


def _data_key_context(
    tenant_id: TenantId, owner_id: PersonId, kind: str, resource: UUID, version: int
) -> Context:
    return (
        b"data key",
        tenant_id.bytes,
        owner_id.bytes,
        kind.encode(),
        resource.bytes,
        version.to_bytes(4),
    )
