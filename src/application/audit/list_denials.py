"""List: what was asked of a document and refused, for its owner."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from application.audit.ports import AccessFilter, AuditTrail, DeniedAccess, Entry
from domain.errors import NotFound
from domain.identity import Caller, DocumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ListDenials:
    """Who was refused, when, for what, and why; a link that was tried in vain among them.

    The reason of a decision stands in evidence that is sealed to the document, so nobody but its
    owner, who gave the grants that it speaks of, is ever told; whoever asked learned nothing but
    'not found'.
    """

    trail: AuditTrail

    async def __call__(
        self,
        *,
        caller: Caller,
        document_id: DocumentId,
        only: AccessFilter,
        after: UUID | None,
        limit: int,
    ) -> Sequence[DeniedAccess]:
        """Those after the event `after`, oldest first. Raises NotFound for all but the owner."""
        if not await self.trail.owns(caller, document_id):
            raise NotFound
        found = await self.trail.denials(caller, document_id, only=only, after=after, limit=limit)
        decided = [each.event_id for each in found if each.reason is None]
        entries = await self.trail.entries(caller, decided)
        return [
            _explained(each, entries[each.event_id], document_id) if each.reason is None else each
            for each in found
        ]


def _explained(denied: DeniedAccess, entry: Entry, document_id: DocumentId) -> DeniedAccess:
    """With what the evidence alone tells: which version was asked for, and why it was refused."""
    for each in entry.event.resources:
        if (each.document_id, each.version) == (document_id, denied.version) and each.evidence:
            evidence = json.loads(each.evidence)
            version = evidence["request"]["version"]
            return replace(denied, version=version, reason=evidence["outcome"]["denial"])
    return denied
