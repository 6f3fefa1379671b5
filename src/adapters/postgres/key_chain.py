"""The links of the key hierarchy: root -> tenant -> subject -> data key, each wrapping the next.

Whatever is wrapped is bound to its place: to whom it belongs, what it opens, and which version of
its key it is. (The first version is bound as keys were before they had versions.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from application.ports import Cipher, Context, DataKey
from application.vault.key_service import WrappingKeys
from domain.identity import PersonId, TenantId

# Whoever wraps under the root key shares this lock, and whoever destroys a version of it takes it
# alone: no transaction then still holds something wrapped under that version, yet to be stored.
_SHARE_ROOT = text("SELECT pg_advisory_xact_lock_shared(hashtextextended('root key', 0))")
HOLD_ROOT = text("SELECT pg_advisory_xact_lock(hashtextextended('root key', 0))")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChain:
    """Wraps and opens each kind of key. Opening raises Tampered, or as the root's port says."""

    root: WrappingKeys
    cipher: Cipher

    async def wrap_tenant_key(
        self, connection: AsyncConnection, key: DataKey, tenant_id: TenantId, version: int
    ) -> bytes:
        """For being stored in the transaction that is open on `connection`."""
        await connection.execute(_SHARE_ROOT)
        return await self.root.wrap(key, tenant_key_context(tenant_id, version))

    async def tenant_key(self, row: Any, tenant_id: TenantId) -> DataKey:
        """From the columns tenant_key_version and tenant_wrapped."""
        context = tenant_key_context(tenant_id, row.tenant_key_version)
        return await self.root.unwrap(row.tenant_wrapped, context)

    def wrap_subject_key(
        self,
        tenant_key: DataKey,
        key: DataKey,
        tenant_id: TenantId,
        subject_id: PersonId,
        version: int,
    ) -> bytes:
        context = subject_key_context(tenant_id, subject_id, version)
        return self.cipher.seal(tenant_key, key.secret, context)

    def subject_key(
        self, tenant_key: DataKey, row: Any, tenant_id: TenantId, subject_id: PersonId
    ) -> DataKey:
        """From the columns subject_key_version and subject_wrapped."""
        context = subject_key_context(tenant_id, subject_id, row.subject_key_version)
        return DataKey(self.cipher.open(tenant_key, row.subject_wrapped, context))

    async def data_keys(self, tenant_id: TenantId, rows: Sequence[Any]) -> Sequence[DataKey]:
        """Open rows of take_deks or take_own_keys, in order, each key above them only once."""
        tenant_keys: dict[UUID, DataKey] = {}
        subject_keys: dict[UUID, DataKey] = {}
        opened = []
        for row in rows:
            if row.tenant_key_id not in tenant_keys:
                tenant_keys[row.tenant_key_id] = await self.tenant_key(row, tenant_id)
            if row.subject_key_id not in subject_keys:
                subject_keys[row.subject_key_id] = self.subject_key(
                    tenant_keys[row.tenant_key_id], row, tenant_id, row.owner_id
                )
            subject_key = subject_keys[row.subject_key_id]
            context = data_key_context(tenant_id, row)
            opened.append(DataKey(self.cipher.open(subject_key, row.wrapped, context)))
        return opened


def tenant_key_context(tenant_id: TenantId, version: int) -> Context:
    return (b"tenant key", tenant_id.bytes, *_bound(version))


def subject_key_context(tenant_id: TenantId, subject_id: PersonId, version: int) -> Context:
    return (b"subject key", tenant_id.bytes, subject_id.bytes, *_bound(version))


def data_key_context(tenant_id: TenantId, row: Any) -> Context:
    """From the columns owner_id, kind, version, and resource_id or document_id."""
    resource: UUID = getattr(row, "resource_id", None) or row.document_id
    version = row.version if row.kind == "content" else 0
    return (
        b"data key",
        tenant_id.bytes,
        row.owner_id.bytes,
        row.kind.encode(),
        resource.bytes,
        version.to_bytes(4),
    )


def _bound(version: int) -> Context:
    return () if version == 1 else (version.to_bytes(4),)
