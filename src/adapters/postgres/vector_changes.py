"""Which documents' vectors a store beside the database has to be told of."""

from __future__ import annotations

from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction, translated_outages
from adapters.postgres.tables import documents, passage_vectors, vector_changes
from application.retrieval.vector_store import StoredVector, VectorChange
from domain.identity import Caller, DocumentId, PersonId, TenantId

_TURN = text("SELECT pg_try_advisory_xact_lock(hashtextextended('strongroom vectors', 0))")
_WAITING = text("SELECT * FROM vector_changes_waiting()")
_MIRROR = text("SELECT mirror_vectors(:wanted, :anew)")
_MIRRORED = text("SELECT vectors_are_mirrored()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresVectorChanges:
    """`VectorChanges`. Triggers note them: see the migration."""

    engine: AsyncEngine

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[bool]:
        with translated_outages():
            async with self.engine.begin() as connection:
                yield bool((await connection.execute(_TURN)).scalar_one())

    async def waiting(self) -> Sequence[VectorChange]:
        with translated_outages():
            async with self.engine.connect() as connection:
                rows = (await connection.execute(_WAITING)).all()
        return [
            VectorChange(
                owner=Caller(tenant_id=TenantId(row.tenant_id), person_id=PersonId(row.owner_id)),
                document_id=DocumentId(row.document_id),
                number=row.change,
            )
            for row in rows
        ]

    async def vectors(self, change: VectorChange) -> Sequence[StoredVector]:
        """Of the version that is searched: one that is still coming is found by nobody."""
        tenant_id, owner_id = change.owner.tenant_id, change.owner.person_id
        searched = (
            select(passage_vectors)
            .join(
                documents,
                (documents.c.tenant_id == passage_vectors.c.tenant_id)
                & (documents.c.id == passage_vectors.c.document_id)
                & (documents.c.searchable_version == passage_vectors.c.version),
            )
            .where(
                passage_vectors.c.tenant_id == tenant_id,
                passage_vectors.c.owner_id == owner_id,
                passage_vectors.c.document_id == change.document_id,
                documents.c.index_mode == "clear",
            )
        )
        async with transaction(self.engine, tenant_id, owner_id) as connection:
            rows = (await connection.execute(searched)).all()
        return [
            StoredVector(passage=row.passage_id, model=row.model, vector=array("f", row.embedding))
            for row in rows
        ]

    async def done(self, change: VectorChange) -> None:
        this = delete(vector_changes).where(
            vector_changes.c.tenant_id == change.owner.tenant_id,
            vector_changes.c.document_id == change.document_id,
            vector_changes.c.change == change.number,
        )
        async with transaction(self.engine, change.owner.tenant_id) as connection:
            await connection.execute(this)

    async def begin(self, *, anew: bool) -> None:
        await self._mirror(wanted=True, anew=anew)

    async def cease(self) -> None:
        if await self.has_begun():
            await self._mirror(wanted=False, anew=False)

    async def has_begun(self) -> bool:
        with translated_outages():
            async with self.engine.connect() as connection:
                return bool((await connection.execute(_MIRRORED)).scalar_one())

    async def _mirror(self, *, wanted: bool, anew: bool) -> None:
        with translated_outages():
            async with self.engine.begin() as connection:
                await connection.execute(_MIRROR, {"wanted": wanted, "anew": anew})
