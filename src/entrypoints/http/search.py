"""Search over HTTP."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import Controller, post
from litestar.params import JSONBody
from msgspec import Meta

from application.consent.name_purpose import NamePurpose
from application.retrieval.search import Search, SearchPage
from domain.identity import PERSONAL_USE, Caller, DocumentId, Purpose
from domain.retrieval.likeness import Rung
from domain.retrieval.passage import Hit
from domain.retrieval.query import (
    DOCUMENT_LIMIT_MAX,
    DOCUMENTS_MAX,
    TEXT_CHARACTERS_MAX,
    Results,
    SearchMode,
    SearchQuery,
)
from domain.retrieval.vectors import VectorMethod, VectorReason
from entrypoints.http.access import WITH_GRANT_TOKEN
from entrypoints.http.injected import Injected

# Room for a query whose characters are all written by number, and for as many documents as may be.
SEARCH_BODY_BYTES_MAX = 128 * 1024
EXAMPLE = {"query": "How much is the deposit?", "limit": 5}


class Filters(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Narrows a search down. A document that may not be searched is as good as not there."""

    document_ids: Annotated[list[UUID], Meta(min_length=1, max_length=DOCUMENTS_MAX)] | None = None


class SearchAsked(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What to search for. Documents of others are searched under grants for this purpose.

    `results` says what is ranked. `spread`: the best passage of each document, with the score of
    the document, and then further ones, by what they add to it; 100 at most. `documents`: the
    same without further ones. `passages`: each by itself, wherever it stands; 50 at most.
    """

    query: Annotated[str, Meta(min_length=1, max_length=TEXT_CHARACTERS_MAX)]
    limit: Annotated[int, Meta(ge=1, le=DOCUMENT_LIMIT_MAX)] = 10
    mode: SearchMode = SearchMode.HYBRID
    results: Results = Results.SPREAD
    purpose: Annotated[str, Meta(min_length=1, max_length=64)] = PERSONAL_USE
    filters: Filters | None = None
    explain: bool = False


class LegsShown(msgspec.Struct, kw_only=True):
    """What each leg made of a passage, from 0 to 1; null where it did not find it."""

    semantic: float | None
    keyword: float | None


class HitShown(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A passage that answers the query.

    `text` is the bytes [start, end) of the version's extracted text in UTF-8. `score` runs from
    0 to 1 and compares the items of this answer only. Where it begins in its file is said as
    far as the format has it: `page` (or slide), `sheet`, `row` of a table or line of JSON Lines,
    `pointer` (a JSON Pointer), `part` of a message. `field` (a JSON Pointer) is there in
    records, and `grant_id` where the passage is someone else's.
    """

    document_id: UUID
    version: int
    passage_id: str
    title: str
    heading_path: list[str]
    text: str
    start: int
    end: int
    score: float
    page: int | None = None
    sheet: str | None = None
    row: int | None = None
    pointer: str | None = None
    part: str | None = None
    field: str | None = None
    grant_id: UUID | None = None
    explain: LegsShown | None = None


class DegradationShown(msgspec.Struct, kw_only=True, omit_defaults=True):
    """A step that was wanted and could not be done, and why.

    Of a question no more than its first 256 words are searched for (`keyword`, `too_many_words`).
    Of very many words those most like the question's are looked at first; where a step did not
    come to all of them, it says `too_many_words` in place of `no_hit`.
    Sealed documents are searched as far as there is room for (`sealed`, `too_many`); `left_out`
    counts those that were not. Name fewer documents in `filters` to search these.
    """

    step: str
    reason: str
    left_out: int | None = None


class SearchDone(StrEnum):
    """How an answer was found. Where nothing had the words, by others that are like them: by their
    beginning (prefix), in spite of a typing error (typo), or inside of them (substring). Where
    nothing was found, by whatever way: empty."""

    HYBRID = SearchMode.HYBRID
    SEMANTIC = SearchMode.SEMANTIC
    KEYWORD = SearchMode.KEYWORD
    PREFIX = Rung.PREFIX
    TYPO = Rung.TYPO
    SUBSTRING = Rung.SUBSTRING
    EMPTY = "empty"


class ExplanationShown(msgspec.Struct, kw_only=True):
    """How the answer came about. `vectors` says how those of the `visible_passages` were compared
    (all of them, or those that an HNSW graph led to), and `reason` why so: `few_visible` and
    `few_of_all_visible` are faster and surer to compare than to look for, `no_graph` is there yet,
    the `graph` found enough, or `graph_came_short` and all were compared. `sealed_documents` were
    opened in memory, and compared there. `lexical` says by what words were found. The weights are
    those in force."""

    vectors: VectorMethod
    reason: VectorReason
    lexical: Rung
    visible_passages: int
    sealed_documents: int
    semantic_weight: float
    feedback_weight: float


class SearchAnswer(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Items, best first; `mode` is what was really done."""

    items: list[HitShown]
    mode: SearchDone
    degraded: list[DegradationShown]
    took_ms: float
    explain: ExplanationShown | None = None


class SearchController(Controller):
    """/v1/search"""

    path = "/v1/search"
    tags = ("Search",)

    @post(
        status_code=200,
        opt=WITH_GRANT_TOKEN | {"example": EXAMPLE},
        request_max_body_size=SEARCH_BODY_BYTES_MAX,
    )
    async def search_passages(
        self,
        caller: Injected[Caller],
        search: Injected[Search],
        name_purpose: Injected[NamePurpose],
        data: JSONBody[SearchAsked],
    ) -> SearchAnswer:
        """Passages of own documents, and of those one has a grant to search. One release.

        Sealed documents are opened to be searched: each that may be searched is released first,
        found or not, and takes a use where uses are counted.
        """
        began = time.perf_counter()
        purpose = await name_purpose(caller=caller, code=data.purpose, field="/purpose")
        page = await search(caller=caller, query=_query(data, purpose))
        return SearchAnswer(
            items=[_shown(hit, explain=data.explain) for hit in page.hits],
            mode=_done(page),
            degraded=[
                DegradationShown(step=each.step, reason=each.reason, left_out=each.left_out)
                for each in page.degraded
            ],
            took_ms=round((time.perf_counter() - began) * 1000, 1),
            explain=_explained(search, page) if data.explain else None,
        )


def _query(asked: SearchAsked, purpose: Purpose) -> SearchQuery:
    wanted = asked.filters and asked.filters.document_ids
    return SearchQuery(
        text=asked.query,
        limit=asked.limit,
        mode=asked.mode,
        results=asked.results,
        purpose=purpose,
        document_ids=frozenset(map(DocumentId, wanted)) if wanted else None,
    )


def _done(page: SearchPage) -> SearchDone:
    if not page.hits:
        return SearchDone.EMPTY
    if page.mode is not SearchMode.KEYWORD or page.rung is Rung.WORDS:
        return SearchDone(page.mode)
    return SearchDone(page.rung)


def _explained(search: Search, page: SearchPage) -> ExplanationShown:
    return ExplanationShown(
        vectors=page.vectors.method,
        reason=page.vectors,
        lexical=page.rung,
        visible_passages=page.visible,
        sealed_documents=page.examined,
        semantic_weight=search.semantic_weight,
        feedback_weight=search.feedback_weight,
    )


def _shown(hit: Hit, *, explain: bool) -> HitShown:
    passage, place = hit.passage, hit.passage.place
    return HitShown(
        document_id=passage.version.document_id,
        version=passage.version.version,
        passage_id=passage.id,
        title=passage.title,
        heading_path=list(passage.heading_path),
        text=passage.text,
        start=passage.start,
        end=passage.end,
        score=round(hit.score, 6),
        page=place.page,
        sheet=place.sheet,
        row=place.row,
        pointer=place.pointer,
        part=place.part,
        field=passage.field,
        grant_id=hit.grant_id,
        explain=LegsShown(semantic=hit.semantic, keyword=hit.keyword) if explain else None,
    )
