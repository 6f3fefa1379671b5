"""Features of one's own passages over HTTP, as of any time."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, get
from litestar.params import QueryParameter

from application.retrieval.feature_history import FeatureHistory, FeaturesThen
from domain.identity import Caller, DocumentId
from entrypoints.http.injected import Injected
from entrypoints.http.instants import instant
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit

AskedTime = Annotated[
    str | None,
    QueryParameter(
        name="as_of",
        min_length=1,
        max_length=40,
        description="A time of RFC 3339 that is over; the latest that is settled if left out.",
    ),
]


class FeaturesShown(msgspec.Struct, kw_only=True):
    """Of one passage, without a word of it.

    `length` is in bytes of its text, `position` counts the passages of its version from 0,
    `heading_depth` the headings that it stands under (null: not counted then). `age_days` is of
    the version, `source` its media type. `weight` is what the owner had said, and `citations` the
    answers to yourself that had cited the document. `rules` numbers how the first three were
    computed.
    """

    document_id: UUID
    version: int
    position: int
    length: int | None
    heading_depth: int | None
    passage_count: int
    age_days: int | None
    language: str | None
    source: str | None
    weight: float
    citations: int
    rules: int


class FeaturesPage(msgspec.Struct, kw_only=True):
    """One page. All pages of one export are as of the same time."""

    as_of: datetime
    items: list[FeaturesShown]
    next_cursor: str | None = None


class FeaturesController(Controller):
    """/v1/features"""

    path = "/v1/features"
    tags = ("Search",)

    @get()
    async def list_features(
        self,
        caller: Injected[Caller],
        feature_history: Injected[FeatureHistory],
        cursors: Injected[Cursors],
        asked: AskedTime = None,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> FeaturesPage:
        """What ranking could weigh of your own documents at a time: for training, by whoever you
        give it to. Nobody else can ask for it."""
        of = f"features {asked or ''}"
        after = cursors.open(cursor, of=of, tenant_id=caller.tenant_id)
        if after is not None:
            as_of = datetime.fromisoformat(str(after[0]))
        else:
            as_of = await feature_history.latest() if asked is None else instant(asked, "as_of")
        found = await feature_history.page(
            caller,
            as_of=as_of,
            after=(DocumentId(UUID(str(after[1]))), int(after[2])) if after else None,
            limit=limit + 1,
        )
        shown = [_shown(each) for each in found[:limit]]
        more = None
        if len(found) > limit:
            position = (as_of.isoformat(), str(shown[-1].document_id), shown[-1].position)
            more = cursors.seal(position, of=of, tenant_id=caller.tenant_id)
        return FeaturesPage(as_of=as_of, items=shown, next_cursor=more)


def _shown(then: FeaturesThen) -> FeaturesShown:
    features = then.features
    return FeaturesShown(
        document_id=then.version.document_id,
        version=then.version.version,
        position=features.position,
        length=features.length,
        heading_depth=features.heading_depth,
        passage_count=then.passage_count,
        age_days=features.age_days,
        language=features.language,
        source=features.source,
        weight=features.owner_weight,
        citations=features.citations,
        rules=then.rules,
    )
