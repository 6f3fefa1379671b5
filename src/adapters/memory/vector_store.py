"""Vectors in memory: an honest VectorStore for tests, which compares them all."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from application.retrieval.embedder import Vector
from application.retrieval.vector_store import StoredVector
from domain.identity import Caller, DocumentId, TenantId


@dataclass(slots=True)
class MemoryVectorStore:
    """`VectorStore`. `held` has the vectors of each document, with its owner."""

    held: dict[tuple[TenantId, DocumentId], tuple[Caller, Sequence[StoredVector]]] = field(
        default_factory=dict
    )
    is_prepared: bool = False

    async def prepare(self) -> bool:
        was_prepared, self.is_prepared = self.is_prepared, True
        return not was_prepared

    async def clear(self) -> None:
        self.held.clear()

    async def replace(
        self, owner: Caller, document_id: DocumentId, vectors: Sequence[StoredVector]
    ) -> None:
        if vectors:
            self.held[owner.tenant_id, document_id] = (owner, list(vectors))
        else:
            self.held.pop((owner.tenant_id, document_id), None)

    async def nearest(
        self,
        caller: Caller,
        vector: Vector,
        model: str,
        *,
        shared: Collection[DocumentId],
        only: Collection[DocumentId] | None,
        limit: int,
    ) -> Sequence[int]:
        near = [
            (-sum(map(float.__mul__, vector, each.vector)), each.passage)
            for (tenant_id, document_id), (owner, vectors) in self.held.items()
            for each in vectors
            if tenant_id == caller.tenant_id
            and (owner.person_id == caller.person_id or document_id in shared)
            and (only is None or document_id in only)
            and each.model == model
        ]
        return [passage for _, passage in sorted(near)[:limit]]

    async def close(self) -> None:
        pass
