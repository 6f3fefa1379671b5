"""Ports of the transparency log."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from domain.audit.checkpoint import Checkpoint
from domain.audit.cosignature import Cosignature
from domain.audit.leaf import LoggedEvent
from domain.audit.tree import Nodes, Position
from domain.identity import (
    Action,
    Caller,
    DocumentId,
    GrantId,
    PersonId,
    Purpose,
    TenantId,
)

Canonical = Callable[[Mapping[str, object]], bytes]
"""JSON in the one form of RFC 8785."""


class LogSigner(Protocol):
    """The key that signs checkpoints. Raises Unavailable when it is absent, slow or down."""

    async def sign(self, message: bytes) -> bytes:
        """64 bytes: Ed25519 (RFC 8032)."""
        ...

    async def public_key(self) -> bytes:
        """32 bytes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingEntry:
    """An event taken from the queue, its releases numbered, and how long it had waited.

    `body` is empty, but for events of version 1.
    """

    event: LoggedEvent
    body: Mapping[str, object]
    waited_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEntries:
    """What one integration adds: leaves from `first_index`, the nodes above, and a checkpoint."""

    first_index: int
    event_ids: Sequence[UUID]
    leaves: Sequence[bytes]
    nodes: Nodes
    size: int
    root: bytes
    note: str


class LogTransaction(Protocol):
    """One transaction over one tenant's log: all of it becomes visible at once, or nothing."""

    async def lock(self) -> bool:
        """Whether this is now the one that writes the log, until the transaction ends.

        The lock is the transaction's own, so whoever lost it cannot commit. Does not wait.
        """
        ...

    async def drain(self, limit: int) -> Sequence[PendingEntry]:
        """Take at most `limit` events from the queue, in the order in which they happened.

        Each version in a release gets the next number of its document.
        """
        ...

    async def checkpoint(self) -> str | None:
        """The latest signed note; None while the log is empty."""
        ...

    async def nodes(self, positions: Collection[Position]) -> Nodes: ...

    async def append(self, entries: NewEntries) -> None: ...


class Log(Protocol):
    """The logs as their one writer sees them. Raises Unavailable while the database is away."""

    def begin(self, tenant_id: TenantId) -> AbstractAsyncContextManager[LogTransaction]: ...

    async def tenants_with_pending(self) -> Sequence[TenantId]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCheckpoint:
    """A signed note, and the size that it states."""

    size: int
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event with its leaf, and the documents in it that belong to whoever asked.

    `index` and `leaf` are None until it is integrated, `body` (canonical JSON) where whoever
    asked has no key to it.
    """

    event: LoggedEvent
    body: bytes | None
    own_documents: frozenset[DocumentId]
    index: int | None
    leaf: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What was released could not be shown, or not to its end. `reason` is a code."""

    event_id: UUID
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One release of one version. Its number is None until it is integrated."""

    number: int | None
    event_id: UUID
    at: datetime
    person_id: PersonId
    display_name: str
    action: str
    purpose: str
    version: int
    grant_id: GrantId | None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessFilter:
    """Which accesses are meant; None stands for all. The time is in [since, until)."""

    person_id: PersonId | None = None
    action: Action | None = None
    purpose: Purpose | None = None
    grant_id: GrantId | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeniedAccess:
    """What was asked of one version and refused. `reason` is None where nothing tells it.

    `action` is None, and `version` 0, where somebody came in vain with a link.
    """

    event_id: UUID
    at: datetime
    person_id: PersonId
    display_name: str
    action: str | None
    purpose: str
    version: int
    integrated: bool
    reason: str | None = None


class AuditTrail(Protocol):
    """The logs as those see them who may read. Raises Unavailable while the database is away."""

    async def checkpoint(self, tenant_id: TenantId) -> StoredCheckpoint | None:
        """The latest; None while the log is empty."""
        ...

    async def cosigned(self, tenant_id: TenantId) -> StoredCheckpoint | None:
        """The latest that a witness cosigned, with all cosignatures that it has."""
        ...

    async def keep_cosignatures(
        self, tenant_id: TenantId, checkpoint: Checkpoint, cosignatures: Sequence[Cosignature]
    ) -> bool:
        """False where the log has no such checkpoint. Those that are there already stay."""
        ...

    async def nodes(self, tenant_id: TenantId, positions: Collection[Position]) -> Nodes:
        """Those of the wanted nodes that are complete."""
        ...

    async def logged_checkpoint(self, tenant_id: TenantId) -> UUID | None:
        """The event of the log of checkpoints that tells of this log's newest checkpoint there."""
        ...

    async def leaves(self, tenant_id: TenantId, first: int, count: int) -> Sequence[bytes]:
        """Those of the leaves [first, first + count) that are there, in order."""
        ...

    async def entries(self, caller: Caller, event_ids: Sequence[UUID]) -> Mapping[UUID, Entry]:
        """Whoever acted: being found says nothing about being allowed to see it.

        Evidence and body are opened as far as the caller has keys: to own documents and own
        deeds, and to what was released to the caller.
        """
        ...

    async def own_events(
        self, caller: Caller, *, after: UUID | None, limit: int
    ) -> Sequence[Entry]:
        """What the caller did, in the order of ids. Leaves and bodies are left out."""
        ...

    async def owns(self, caller: Caller, document_id: DocumentId) -> bool: ...

    async def accesses(
        self,
        caller: Caller,
        document_id: DocumentId,
        *,
        only: AccessFilter,
        after: int,
        limit: int,
    ) -> Sequence[Access]:
        """Releases by number, then, in the same view of the database, those still pending."""
        ...

    async def denials(
        self,
        caller: Caller,
        document_id: DocumentId,
        *,
        only: AccessFilter,
        after: UUID | None,
        limit: int,
    ) -> Sequence[DeniedAccess]:
        """In the order of ids, without their reasons. No grant is named in a denial."""
        ...
