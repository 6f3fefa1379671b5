"""Bundle: the releases of one document with all that proves them, to be verified offline."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.audit.ports import AccessFilter, AuditTrail, Entry
from domain.audit.leaf import Opening, opening_of
from domain.audit.tree import Nodes, inclusion_path, positions, range_hash
from domain.errors import NotFound
from domain.identity import Caller, DocumentId

ENTRIES_MAX = 100
"""In one bundle. One release may hold up to 100 versions, so more entries make no larger page."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledEntry:
    """A leaf, canonical JSON, its place in the tree, and the hashes that lead to the root."""

    event_id: UUID
    index: int
    leaf: bytes
    hashes: Sequence[bytes]
    opening: Opening | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """The releases numbered above `after`, and what is logged of those that failed, under one
    checkpoint; `next_after` goes on with more."""

    document_id: DocumentId
    only: AccessFilter
    checkpoint: str
    after: int
    entries: Sequence[BundledEntry]
    failures: Sequence[BundledEntry]
    next_after: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleAccesses:
    """For the owner of the document, who is told of no other document in the same release."""

    trail: AuditTrail

    async def __call__(
        self,
        *,
        caller: Caller,
        document_id: DocumentId,
        only: AccessFilter = AccessFilter(),  # noqa: B008 - it cannot be changed
        after: int,
        limit: int,
    ) -> Bundle:
        """Of those that `only` lets through, which is told with them: nobody takes it for all.

        Raises NotFound for all but the owner, and while the log is empty.
        """
        if not await self.trail.owns(caller, document_id):
            raise NotFound
        found = await self.trail.accesses(
            caller, document_id, only=only, after=after, limit=limit + 1
        )
        numbered = [each for each in found if each.number is not None]
        shown = _whole_events([each.event_id for each in numbered], limit)
        failed = [
            each.failure.event_id
            for each in numbered
            if each.failure is not None and each.event_id in shown
        ]
        entries = await self.trail.entries(caller, shown)
        failures = await self.trail.entries(caller, list(dict.fromkeys(failed)))
        in_log = [each for each in failures.values() if each.index is not None]
        # The checkpoint is read after the leaves, so it is large enough.
        latest = await self.trail.checkpoint(caller.tenant_id)
        if latest is None:
            raise NotFound
        paths = {
            each.event.id: inclusion_path(each.index, latest.size)
            for each in (*entries.values(), *in_log)
            if each.index is not None
        }
        needed = frozenset().union(*(positions(path) for path in paths.values()))
        nodes = await self.trail.nodes(caller.tenant_id, needed)
        return Bundle(
            document_id=document_id,
            only=only,
            checkpoint=latest.note,
            after=after,
            entries=[bundled(entries[each], {document_id}, latest.size, nodes) for each in shown],
            failures=[bundled(each, {document_id}, latest.size, nodes) for each in in_log],
            next_after=_last_number(entries.values(), document_id) if len(found) > limit else None,
        )


def _whole_events(events: Sequence[UUID], limit: int) -> list[UUID]:
    """Each once, in order. The last one of a full page may go on in the next, so it is left to
    that, unless it is all there is."""
    ordered = list(dict.fromkeys(events))
    return ordered[:-1] if len(events) > limit and len(ordered) > 1 else ordered


def _last_number(entries: Iterable[Entry], document_id: DocumentId) -> int | None:
    return max(
        (
            each.release_seq
            for entry in entries
            for each in entry.event.resources
            if each.document_id == document_id and each.release_seq is not None
        ),
        default=None,
    )


def bundled(
    entry: Entry, documents: Collection[DocumentId], size: int, nodes: Nodes
) -> BundledEntry:
    """An entry that is in the log, opened as far as it is about these documents."""
    assert entry.index is not None
    assert entry.leaf is not None
    path = inclusion_path(entry.index, size)
    return BundledEntry(
        event_id=entry.event.id,
        index=entry.index,
        leaf=entry.leaf,
        hashes=[range_hash(each, nodes) for each in path],
        opening=opening_of(entry.event, documents=documents, evidence_of=documents, body=None),
    )
