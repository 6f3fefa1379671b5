"""Sealed versions as a searcher sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.passages import visible_values
from adapters.postgres.statements import statement
from adapters.postgres.vector_route import searching
from application.retrieval.sealed_index import SealedEntries, VisibleSealed
from domain.identity import Action, Caller, DocumentId, VersionRef
from domain.retrieval.query import SearchQuery

PART_PASSAGES = 50
"""What a record counts for that was granted in part: it does not tell how large it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSealedIndex:
    """`SealedIndex`. `rows_at_once`, of some 200 KiB each, are read from the database in one go."""

    engine: AsyncEngine
    rows_at_once: int = 32

    async def visible(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        *,
        passages_max: int,
        documents_max: int,
    ) -> VisibleSealed:
        values = visible_values(caller, query, action) | {
            "passages_max": passages_max,
            "documents_max": documents_max,
            "part_passages": PART_PASSAGES,
        }
        async with searching(self.engine, caller) as (connection, _):
            rows = (await connection.execute(statement("sealed_versions"), values)).all()
        weights = {
            VersionRef(document_id=DocumentId(row.document_id), version=row.version): row.weight
            for row in rows
            if row.document_id is not None
        }
        return VisibleSealed(
            versions=list(weights), weights=weights, left_out=rows[0].visible - len(weights)
        )

    async def entries(
        self, caller: Caller, versions: Sequence[VersionRef]
    ) -> AsyncIterator[SealedEntries]:
        values = {
            "tenant": caller.tenant_id,
            "documents": [each.document_id for each in versions],
            "versions": [each.version for each in versions],
            "rows_max": self.rows_at_once,
        }
        names = ("after_document", "after_version", "after_ordinal")
        after = (UUID(int=0), 0, 0)
        while True:
            last = dict(zip(names, after, strict=True))
            async with searching(self.engine, caller) as (connection, _):
                rows = (await connection.execute(statement("sealed_entries"), values | last)).all()
            for row in rows:
                yield sealed_entries(row)
            if len(rows) < self.rows_at_once:
                return
            after = (rows[-1].document_id, rows[-1].version, rows[-1].first_ordinal)


def sealed_entries(row: Any) -> SealedEntries:
    return SealedEntries(
        version=VersionRef(document_id=DocumentId(row.document_id), version=row.version),
        first=row.first_ordinal,
        passages=row.passages,
        sealed=row.sealed_entries,
    )
