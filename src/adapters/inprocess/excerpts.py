"""What the chat needs of retrieval: passages that may be quoted for a question."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.ports import FoundExcerpts
from application.retrieval.search import Search
from domain.chat.event import Degradation
from domain.chat.excerpt import Excerpt
from domain.identity import Action, Caller, DocumentId, Purpose
from domain.retrieval.passage import Hit
from domain.retrieval.query import SearchQuery

SOUGHT_CHARACTERS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedExcerpts:
    """`ExcerptSource` over search. Of a very long question the end is searched for."""

    search: Search

    async def find(
        self,
        *,
        caller: Caller,
        sought: str,
        purpose: Purpose,
        document_ids: frozenset[DocumentId] | None,
        limit: int,
    ) -> FoundExcerpts:
        query = SearchQuery(
            text=sought[-SOUGHT_CHARACTERS_MAX:],
            limit=limit,
            purpose=purpose,
            document_ids=document_ids,
        )
        page = await self.search(caller=caller, query=query, action=Action.QUOTE)
        return FoundExcerpts(
            mode=page.mode,
            degraded=[Degradation(step=each.step, reason=each.reason) for each in page.degraded],
            excerpts=[_excerpt(number, hit) for number, hit in enumerate(page.hits, start=1)],
        )


def _excerpt(number: int, hit: Hit) -> Excerpt:
    passage = hit.passage
    return Excerpt(
        id=f"e{number}",
        version=passage.version,
        start=passage.start,
        end=passage.end,
        title=passage.title,
        text=passage.text,
        score=hit.score,
        release_id=hit.release_id,
        grant_id=hit.grant_id,
        text_commitment=hit.text_commitment,
        places=passage.places,
        field=passage.field,
    )
