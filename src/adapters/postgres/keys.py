"""The key hierarchy in the database: root -> tenant -> subject -> data key, each wrapped.

Wrapped keys are written here and never read here: reading one takes a release (`gate.py`),
ownership (`take_own_keys`), or something to wrap (`hold_subject_key`), and the database holds that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, text
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import transaction, violated
from adapters.postgres.key_chain import KeyChain, data_key_context
from adapters.postgres.tables import data_keys, wrapping_keys
from application.ports import DataKey, LogWritable, NewId, OwnKeys
from domain.errors import NotAuthenticated
from domain.identity import Caller, PersonId, TenantId

_TAKE_OWN = text("SELECT * FROM take_own_keys(:resources)")
_HOLD_TENANT_KEY = text("SELECT * FROM hold_tenant_key()")
_HOLD_SUBJECT_KEY = text("SELECT * FROM hold_subject_key(:subject)")


class KeyKind(StrEnum):
    """What a data key opens."""

    CONTENT = "content"
    METADATA = "metadata"
    CONVERSATION = "conversation"
    COLLECTION = "collection"
    EVIDENCE = "evidence"
    TOTP = "totp"


@dataclass(frozen=True, slots=True, kw_only=True)
class _NewKey:
    owner_id: PersonId
    kind: KeyKind
    resource_id: UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresKeys:
    """Makes, keeps, opens and destroys data keys."""

    chain: KeyChain
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
        new = _NewKey(owner_id=owner_id, kind=kind, resource_id=resource, version=version)
        context = data_key_context(tenant_id, new)
        await connection.execute(
            insert(data_keys).values(
                tenant_id=tenant_id,
                id=self.new_id(),
                kind=kind,
                owner_id=owner_id,
                resource_id=resource,
                version=version,
                wrapping_key_id=subject_key_id,
                wrapped=self.chain.cipher.seal(subject_key, key.secret, context),
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
        """Open rows of take_deks or take_own_keys, in order."""
        return await self.chain.data_keys(tenant_id, rows)

    async def _subject_key(
        self, connection: AsyncConnection, tenant_id: TenantId, subject_id: PersonId
    ) -> tuple[UUID, DataKey]:
        asked = {"subject": subject_id}
        held = (await connection.execute(_HOLD_SUBJECT_KEY, asked)).one_or_none()
        if held is None:
            await self._make_subject_key(connection, tenant_id, subject_id)
            held = (await connection.execute(_HOLD_SUBJECT_KEY, asked)).one()
        tenant_key = await self.chain.tenant_key(held, tenant_id)
        subject_key = self.chain.subject_key(tenant_key, held, tenant_id, subject_id)
        return held.subject_key_id, subject_key

    async def _make_subject_key(
        self, connection: AsyncConnection, tenant_id: TenantId, subject_id: PersonId
    ) -> None:
        held = (await connection.execute(_HOLD_TENANT_KEY)).one_or_none()
        if held is None:
            fresh = await self.chain.wrap_tenant_key(
                connection, self.chain.cipher.new_key(), tenant_id, 1
            )
            await self._keep_first(connection, tenant_id, wrapped=fresh)
            held = (await connection.execute(_HOLD_TENANT_KEY)).one()
        tenant_key = await self.chain.tenant_key(held, tenant_id)
        fresh = self.chain.wrap_subject_key(
            tenant_key, self.chain.cipher.new_key(), tenant_id, subject_id, 1
        )
        await self._keep_first(
            connection,
            tenant_id,
            subject_id=subject_id,
            wrapping_key_id=held.tenant_key_id,
            wrapped=fresh,
        )

    async def _keep_first(
        self, connection: AsyncConnection, tenant_id: TenantId, **values: object
    ) -> None:
        """The first writer wins; whoever came second reads the first one's key.

        Raises NotAuthenticated for a person who was erased: a token of theirs may still be good,
        and this process need not have heard of it.
        """
        fresh = upsert(wrapping_keys).values(
            tenant_id=tenant_id, id=self.new_id(), version=1, **values
        )
        try:
            await connection.execute(fresh.on_conflict_do_nothing())
        except IntegrityError as refused:
            if violated(refused) != "wrapping_keys_erased_check":
                raise
            raise NotAuthenticated from refused


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


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedOwnKeys:
    """`OwnKeys` of what is protected: none while the log cannot be written."""

    own_keys: OwnKeys
    log_writable: LogWritable

    async def __call__(
        self, *, caller: Caller, resources: Sequence[UUID]
    ) -> Mapping[UUID, DataKey]:
        await self.log_writable()
        return await self.own_keys(caller=caller, resources=resources)
