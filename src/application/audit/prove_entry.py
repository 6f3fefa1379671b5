"""Prove: that an event is in the log, and what the commitments in its leaf were made of."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from application.audit.ports import AuditTrail
from domain.audit.leaf import DENIAL, RELEASE, Opening, opening_of
from domain.audit.tlog_proof import TlogProof
from domain.audit.tree import inclusion_path, positions, range_hash
from domain.errors import Conflict, NotFound
from domain.identity import Caller


class EntryNotIntegrated(Conflict):
    """This event is recorded, but not yet part of the log: try again in a second."""

    code = "entry_not_integrated"


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProof:
    """All that an offline verifier needs beside the log's key. `leaf` is canonical JSON."""

    event_id: UUID
    leaf: bytes
    proof: TlogProof
    opening: Opening | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveEntry:
    """For the person who acted, and for the owners of what it was about.

    An owner gets the keys to the commitments on own documents only, with their evidence: the same
    event may tell of others' documents too. The body, which speaks of all of them, is opened to
    the person who acted, and so is the evidence of a release. Why something was denied is told to
    its owner alone.
    """

    trail: AuditTrail

    async def __call__(self, *, caller: Caller, event_id: UUID) -> EntryProof:
        """Raises NotFound, or EntryNotIntegrated between the commit and the next checkpoint."""
        entry = (await self.trail.entries(caller, [event_id])).get(event_id)
        if entry is None:
            raise NotFound
        acted = entry.event.actor_id == caller.person_id
        if not acted and not entry.own_documents:
            raise NotFound
        # The checkpoint is read after the leaf, so it is large enough.
        latest = await self.trail.checkpoint(caller.tenant_id)
        if entry.index is None or entry.leaf is None or latest is None:
            raise EntryNotIntegrated
        path = inclusion_path(entry.index, latest.size)
        nodes = await self.trail.nodes(caller.tenant_id, positions(path))
        hashes = tuple(range_hash(each, nodes) for each in path)
        everything = {each.document_id for each in entry.event.resources}
        released = acted and entry.event.type == RELEASE
        body = entry.body if acted and entry.event.type != DENIAL else None
        return EntryProof(
            event_id=event_id,
            leaf=entry.leaf,
            proof=TlogProof(index=entry.index, hashes=hashes, checkpoint=latest.note),
            opening=opening_of(
                entry.event,
                documents=everything if acted else entry.own_documents,
                evidence_of=everything if released else entry.own_documents,
                body=body,
            ),
        )
