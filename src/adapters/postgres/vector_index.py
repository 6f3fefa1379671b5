"""Vectors of searchable versions, written beside those that are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.passage_index import identity_of, write_vectors
from adapters.postgres.passages import sealed_passage
from adapters.postgres.sealed_index import sealed_entries
from adapters.postgres.statements import statement
from adapters.postgres.tables import sealed_index
from application.retrieval.embedder import Vector
from application.retrieval.ports import SealedPassage
from application.retrieval.sealed_index import SealedPart
from domain.identity import Caller, DocumentId, PersonId, TenantId, VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresVectorIndex:
    """`VectorIndex`. By its `salt` each process goes through documents in an order of its own."""

    engine: AsyncEngine
    salt: int
    documents_at_once: int = 50
    passages_at_once: int = 64

    async def lacking(self, tenant_id: TenantId, model: str) -> Sequence[tuple[Caller, VersionRef]]:
        values = {
            "tenant": tenant_id,
            "model": model,
            "salt": self.salt,
            "documents": self.documents_at_once,
        }
        async with transaction(self.engine, tenant_id) as connection:
            rows = (await connection.execute(statement("lacking_vectors"), values)).all()
        return [
            (
                Caller(tenant_id=tenant_id, person_id=PersonId(row.owner_id)),
                VersionRef(document_id=DocumentId(row.document_id), version=row.version),
            )
            for row in rows
        ]

    async def count_lacking(self, tenant_id: TenantId, model: str) -> int:
        documents, embedded = await self.count(tenant_id, model)
        return documents - embedded

    async def count(self, tenant_id: TenantId, model: str) -> tuple[int, int]:
        """How many documents are searched by meaning, and how many of them by this model."""
        values = {"tenant": tenant_id, "model": model}
        async with transaction(self.engine, tenant_id) as connection:
            row = (await connection.execute(statement("count_vectors"), values)).one()
        return row.documents, row.embedded

    async def without(
        self, caller: Caller, version: VersionRef, model: str
    ) -> Mapping[int, SealedPassage]:
        values = identity_of(caller, version) | {"model": model, "passages": self.passages_at_once}
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            rows = (await connection.execute(statement("without_vectors"), values)).all()
        return {row.ordinal: sealed_passage(row) for row in rows}

    async def add(
        self, caller: Caller, version: VersionRef, model: str, vectors: Mapping[int, Vector]
    ) -> bool:
        identity = identity_of(caller, version)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            held = await connection.execute(statement("hold_searchable"), identity)
            if held.one_or_none() is None:
                return False
            await write_vectors(connection, caller, version, model, vectors)
        return True

    async def sealed_without(
        self, caller: Caller, version: VersionRef, model: str
    ) -> SealedPart | None:
        values = identity_of(caller, version) | {"model": model}
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            found = await connection.execute(statement("sealed_without_vectors"), values)
            row = found.one_or_none()
            if row is None:
                return None
            wanted = {"tenant": caller.tenant_id, "passages": row.passages}
            rows = (await connection.execute(statement("sealed_passages"), wanted)).all()
        return SealedPart(
            entries=sealed_entries(row),
            passages=sorted(map(sealed_passage, rows), key=lambda each: each.ordinal),
        )

    async def replace_sealed(
        self,
        caller: Caller,
        version: VersionRef,
        first: int,
        models: Sequence[str],
        sealed: bytes,
    ) -> bool:
        again = (
            update(sealed_index)
            .where(
                sealed_index.c.tenant_id == caller.tenant_id,
                sealed_index.c.document_id == version.document_id,
                sealed_index.c.version == version.version,
                sealed_index.c.first_ordinal == first,
            )
            .values(models=list(models), sealed_entries=sealed)
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            held = await connection.execute(
                statement("hold_searchable"), identity_of(caller, version)
            )
            if held.one_or_none() is None:
                return False
            return (await connection.execute(again)).rowcount == 1

    async def complete(self, caller: Caller, version: VersionRef) -> None:
        identity = identity_of(caller, version)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            held = await connection.execute(statement("hold_searchable"), identity)
            if held.one_or_none() is not None:
                await connection.execute(statement("note_vectors"), identity)
