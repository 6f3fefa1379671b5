"""A place for vectors beside the index: quick to name candidates, and never the authority."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from application.retrieval.embedder import Vector
from domain.errors import Unavailable
from domain.identity import Caller, DocumentId


class VectorStoreUnavailable(Unavailable):
    """The vector store does not answer; vectors are compared in the database."""

    code = "vector_store_unavailable"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredVector:
    """The vector of a passage, by the passage's number in the index."""

    passage: int
    model: str
    vector: Vector


class VectorStore(Protocol):
    """Names passages that may be near; which of them are, and whose, is judged in the index.

    What it holds follows the index after a while. All methods raise VectorStoreUnavailable, within
    a time limit of their own, and may be cancelled.
    """

    async def prepare(self) -> bool:
        """Make what is missing; True where everything was, so that it holds nothing."""
        ...

    async def clear(self) -> None:
        """Hold nothing, of any tenant."""
        ...

    async def replace(
        self, owner: Caller, document_id: DocumentId, vectors: Sequence[StoredVector]
    ) -> None:
        """Hold exactly these of the document; none, to forget it. May be repeated."""
        ...

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
        """Passages of the caller's own documents and of those `shared`, nearest first; with `only`,
        of these documents alone. Fewer than there are where it is behind."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorChange:
    """A document whose vectors changed. `number` is another one after the next change."""

    owner: Caller
    document_id: DocumentId
    number: UUID


class VectorChanges(Protocol):
    """What the store has to be told. A change is there until it is said to be done."""

    def turn(self) -> AbstractAsyncContextManager[bool]:
        """Whether it is this process's turn: one at a time brings changes over, or an old state
        could arrive after a new one."""
        ...

    async def waiting(self) -> Sequence[VectorChange]: ...

    async def vectors(self, change: VectorChange) -> Sequence[StoredVector]:
        """All vectors that the document has now."""
        ...

    async def done(self, change: VectorChange) -> None:
        """Forget it, unless the document changed again since."""
        ...

    async def begin(self, *, anew: bool) -> None:
        """Note changes from now on; with `anew`, everything that there is counts as changed."""
        ...

    async def cease(self) -> None: ...

    async def has_begun(self) -> bool: ...
