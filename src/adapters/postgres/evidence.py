"""What evidence is sealed to, and how it is opened again.

Of each person and each document there is a pair of keys: the public half seals what is written
about it, without a secret and without the key service; the private half is a data key like others.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import exists, select, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.keys import KeyKind, PostgresKeys
from adapters.postgres.tables import data_keys, documents
from application.audit.ports import Canonical
from application.ports import Context, DataKey, SealedBoxes
from domain.errors import NotAuthenticated
from domain.identity import OPERATOR, Caller, DocumentId, PersonId, TenantId

KNOWN_MAX = 10_000
_TAKE = text("SELECT * FROM take_evidence_keys(:events)")


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceKey:
    """The public half of a pair: no secret."""

    id: UUID
    public_key: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealing:
    """How one person's events are committed to and sealed. `actor_key` is that person's; an
    operator has none."""

    canonical: Canonical
    boxes: SealedBoxes
    actor_key: EvidenceKey | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresEvidence:
    """Makes pairs of keys, hands out public halves, and opens what was sealed."""

    engine: AsyncEngine
    keys: PostgresKeys
    boxes: SealedBoxes
    canonical: Canonical
    _known: OrderedDict[tuple[TenantId, PersonId], Sealing] = field(
        default_factory=OrderedDict, repr=False
    )

    @property
    def for_operators(self) -> Sealing:
        return Sealing(canonical=self.canonical, boxes=self.boxes, actor_key=None)

    async def sealing(self, caller: Caller) -> Sealing:
        """For the caller's events, or the operator's. Asked before a transaction locks anything:
        the first time, a pair of keys is made, and the key service may be slow.

        Raises NotAuthenticated for somebody who was erased, and whose token is still good.
        """
        if caller.person_id == OPERATOR:
            return self.for_operators
        person = (caller.tenant_id, caller.person_id)
        if person not in self._known:
            key = await self._key_of_person(caller)
            self._known[person] = Sealing(canonical=self.canonical, boxes=self.boxes, actor_key=key)
            while len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return self._known[person]

    def forget(self, caller: Caller) -> None:
        """The pair of keys of somebody whose keys were destroyed."""
        self._known.pop((caller.tenant_id, caller.person_id), None)

    async def make(self, connection: AsyncConnection, owner: Caller, resource: UUID) -> None:
        """A pair of keys of this document or person, in the caller's transaction."""
        key, public_key = self.boxes.new_key()
        await self.keys.keep(
            connection, owner, KeyKind.EVIDENCE, resource, key, public_key=public_key
        )

    async def make_missing(self, caller: Caller, wanted: Sequence[DocumentId]) -> None:
        """Pairs for documents of before there was evidence. Raises Unavailable."""
        without = (
            select(documents.c.id, documents.c.owner_id)
            .where(
                documents.c.tenant_id == caller.tenant_id,
                documents.c.id.in_(wanted),
                ~exists(data_keys.c.id).where(
                    data_keys.c.tenant_id == documents.c.tenant_id,
                    data_keys.c.resource_id == documents.c.id,
                    data_keys.c.kind == KeyKind.EVIDENCE,
                ),
            )
            .with_for_update(key_share=True, read=True)  # whoever erases one waits
        )
        try:
            async with transaction(self.engine, caller.tenant_id) as connection:
                for document, owner_id in (await connection.execute(without)).all():
                    owner = Caller(tenant_id=caller.tenant_id, person_id=PersonId(owner_id))
                    await self.make(connection, owner, document)
        except IntegrityError:
            return  # someone else made one at the same time; the next look finds it

    async def opening_keys(
        self, connection: AsyncConnection, events: Sequence[UUID]
    ) -> Sequence[Any]:
        """The wrapped keys that the database lets this person have. To be opened by `open_keys`,
        once the transaction is over."""
        return (await connection.execute(_TAKE, {"events": list(events)})).all()

    async def open_keys(self, tenant_id: TenantId, rows: Sequence[Any]) -> Mapping[UUID, DataKey]:
        opened = await self.keys.unwrap(tenant_id, rows)
        return {row.key_id: key for row, key in zip(rows, opened, strict=True)}

    async def _key_of_person(self, caller: Caller) -> EvidenceKey:
        found = await self._find(caller)
        if found is None:
            try:
                async with transaction(self.engine, caller.tenant_id) as connection:
                    await self.make(connection, caller, caller.person_id)
            except IntegrityError:
                pass  # another process was first, and its key is the one; or the person was erased
            found = await self._find(caller)
        if found is None:
            raise NotAuthenticated
        return found

    async def _find(self, caller: Caller) -> EvidenceKey | None:
        own = select(data_keys.c.id, data_keys.c.public_key).where(
            data_keys.c.tenant_id == caller.tenant_id,
            data_keys.c.resource_id == caller.person_id,
            data_keys.c.kind == KeyKind.EVIDENCE,
        )
        async with transaction(self.engine, caller.tenant_id) as connection:
            row = (await connection.execute(own)).one_or_none()
        return None if row is None else EvidenceKey(id=row.id, public_key=row.public_key)


def body_context(tenant_id: TenantId, event_id: UUID) -> Context:
    return (b"event body", tenant_id.bytes, event_id.bytes)


def evidence_context(
    tenant_id: TenantId, event_id: UUID, document_id: UUID, version: int
) -> Context:
    return (
        b"evidence",
        tenant_id.bytes,
        event_id.bytes,
        document_id.bytes,
        version.to_bytes(4),
    )
