"""List: every release of a document, for its owner, numbered without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.audit.ports import Access, AccessFilter, AuditTrail
from domain.errors import NotFound
from domain.identity import Caller, DocumentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ListAccesses:
    """Who saw a document, when, for what, and under which grant."""

    trail: AuditTrail

    async def __call__(
        self,
        *,
        caller: Caller,
        document_id: DocumentId,
        only: AccessFilter = AccessFilter(),  # noqa: B008 - it cannot be changed
        after: int,
        limit: int,
    ) -> Sequence[Access]:
        """Those numbered above `after`, in order; then those that have no number yet.

        Raises NotFound for everyone but the owner.
        """
        if not await self.trail.owns(caller, document_id):
            raise NotFound
        return await self.trail.accesses(caller, document_id, only=only, after=after, limit=limit)
