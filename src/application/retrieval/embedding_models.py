"""Which model serves each tenant, and vectors of another one beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from application.retrieval.embedder import Vector
from application.retrieval.ports import SealedPassage
from application.retrieval.sealed_index import SealedPart
from domain.identity import Caller, TenantId, VersionRef
from domain.retrieval.embedding_model import EmbeddingModel


class VectorIndex(Protocol):
    """The vectors of versions that are searchable already, and how to give them others beside."""

    async def lacking(self, tenant_id: TenantId, model: str) -> Sequence[tuple[Caller, VersionRef]]:
        """Some of those without all vectors of this model, with their owners; none when there are
        none. Different processes are told different ones, as far as there are many."""
        ...

    async def count_lacking(self, tenant_id: TenantId, model: str) -> int: ...

    async def without(
        self, caller: Caller, version: VersionRef, model: str
    ) -> Mapping[int, SealedPassage]:
        """Some of its passages that have no vector of this model, by their ordinals, in order."""
        ...

    async def add(
        self, caller: Caller, version: VersionRef, model: str, vectors: Mapping[int, Vector]
    ) -> bool:
        """Write vectors by ordinals, beside those of other models; whoever writes one again changes
        nothing. False when it is not the searchable version any more."""
        ...

    async def sealed_without(
        self, caller: Caller, version: VersionRef, model: str
    ) -> SealedPart | None:
        """As `without`, of a sealed version: its first entries that have no vectors of it."""
        ...

    async def replace_sealed(
        self,
        caller: Caller,
        version: VersionRef,
        first: int,
        models: Sequence[str],
        sealed: bytes,
    ) -> bool:
        """Entries with the vectors of these models in place of what is there. As `add`."""
        ...

    async def complete(self, caller: Caller, version: VersionRef) -> None:
        """Look which models it has all vectors of, and remember it."""
        ...


class EmbeddingModels(Protocol):
    """Which model serves each tenant, and who is there to embed with which."""

    async def announce(self, model: str, others: Sequence[str]) -> None:
        """Say that this process lives, which model it wants, and which others it knows."""
        ...

    async def withdraw(self) -> None:
        """Say that this process ends."""
        ...

    async def tenants(self, model: str) -> Sequence[TenantId]:
        """Some of those that another model than this serves, or where one arrives or leaves, or
        where something lacks its vectors."""
        ...

    async def of(self, tenant_id: TenantId) -> Sequence[EmbeddingModel]: ...

    async def arrive(
        self, tenant_id: TenantId, model: str, dimensions: int, *, again: bool = False
    ) -> bool:
        """Begin a move to this model; with `again` also to one that leaves or has left. False where
        that may not be: it serves, or another one arrives."""
        ...

    async def give_up(self, tenant_id: TenantId) -> bool:
        """Let the model that arrives leave, where no process has wanted it for long."""
        ...

    async def swap(self, tenant_id: TenantId, model: str) -> bool:
        """Let it serve, and the one before leave: where nothing lacks its vectors, and every
        process that lives knows it."""
        ...

    async def sweep(self, tenant_id: TenantId) -> int:
        """Delete some vectors of a model that is leaving. Of how many documents; 0 at the end."""
        ...
