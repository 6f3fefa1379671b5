"""Excerpts kept in memory, for tests and demonstrations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.chat.ports import FoundExcerpts
from domain.chat.excerpt import Excerpt
from domain.identity import Caller, DocumentId, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryExcerpts:
    """`ExcerptSource`: the excerpts it was given, of the documents that are asked for.

    They are everybody's: there is no gate here, so it may hold nothing that needs one.
    """

    excerpts: Sequence[Excerpt]

    async def find(
        self,
        *,
        caller: Caller,
        sought: str,
        purpose: Purpose,
        document_ids: frozenset[DocumentId] | None,
        limit: int,
    ) -> FoundExcerpts:
        found = [
            each
            for each in self.excerpts
            if document_ids is None or each.version.document_id in document_ids
        ]
        return FoundExcerpts(mode="memory", degraded=[], excerpts=found[:limit])
