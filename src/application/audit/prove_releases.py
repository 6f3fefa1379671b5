"""Prove: that what one was shown was released, and why, as far as it is about these documents."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from application.audit.bundle_accesses import BundledEntry, bundled
from application.audit.ports import AuditTrail
from application.audit.prove_entry import EntryNotIntegrated
from domain.audit.leaf import RELEASE
from domain.audit.tree import inclusion_path, positions
from domain.errors import NotFound
from domain.identity import Caller, DocumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenReleases:
    """Releases under one checkpoint, which is None where there are none."""

    checkpoint: str | None
    entries: Sequence[BundledEntry]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveReleases:
    """For the person who was shown it, with the evidence of what is asked about."""

    trail: AuditTrail

    async def __call__(
        self, *, caller: Caller, documents: Mapping[UUID, Collection[DocumentId]]
    ) -> ProvenReleases:
        """`documents` of each release, by its id.

        Raises NotFound for what was not released to the caller, and EntryNotIntegrated between
        the commit of a release and the next checkpoint.
        """
        if not documents:
            return ProvenReleases(checkpoint=None, entries=[])
        found = await self.trail.entries(caller, list(documents))
        for event_id in documents:
            entry = found.get(event_id)
            if (
                entry is None
                or entry.event.actor_id != caller.person_id
                or entry.event.type != RELEASE
            ):
                raise NotFound
        # The checkpoint is read after the leaves, so it is large enough.
        latest = await self.trail.checkpoint(caller.tenant_id)
        indexes = [found[each].index for each in documents]
        if latest is None or None in indexes:
            raise EntryNotIntegrated
        paths = [inclusion_path(each, latest.size) for each in indexes if each is not None]
        needed = frozenset().union(*(positions(path) for path in paths))
        nodes = await self.trail.nodes(caller.tenant_id, needed)
        return ProvenReleases(
            checkpoint=latest.note,
            entries=[
                bundled(found[event_id], about, latest.size, nodes)
                for event_id, about in documents.items()
            ],
        )
