"""What features were at some time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import present_time, transaction
from adapters.postgres.statements import statement
from application.retrieval.feature_history import AsOfTooLate, FeaturesThen
from domain.identity import Caller, DocumentId, VersionRef
from domain.retrieval.features import Features


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresFeatureHistory:
    """`FeatureHistory`. What happens gets its time a moment before it is committed; no transaction
    of ours takes `settled_after`, so that what was so before then stays what it is.
    """

    engine: AsyncEngine
    settled_after: timedelta = timedelta(minutes=1)

    async def latest(self) -> datetime:
        async with self.engine.connect() as connection:
            now = await present_time(connection)
        return now - self.settled_after

    async def page(
        self, caller: Caller, *, as_of: datetime, after: tuple[DocumentId, int] | None, limit: int
    ) -> Sequence[FeaturesThen]:
        if as_of > await self.latest():
            raise AsOfTooLate(field="/query/as_of")
        document, ordinal = after or (None, None)
        values = {
            "tenant": caller.tenant_id,
            "person": caller.person_id,
            "as_of": as_of,
            "after_document": document,
            "after_ordinal": ordinal,
            "limit": limit,
        }
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            rows = (await connection.execute(statement("features_as_of"), values)).all()
        return [
            FeaturesThen(
                version=VersionRef(document_id=DocumentId(row.document_id), version=row.version),
                features=Features(
                    length=row.length,
                    position=row.ordinal,
                    heading_depth=row.heading_depth,
                    age_days=row.age_days,
                    language=row.language,
                    source=row.source,
                    owner_weight=row.weight,
                    citations=row.citations,
                ),
                passage_count=row.passage_count,
                rules=row.rules,
            )
            for row in rows
        ]
