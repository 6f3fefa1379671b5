"""What may answer a question: of the open index in one statement, of what is sealed in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from application.retrieval.degradation import Degradation
from application.retrieval.embedder import languages_of
from application.retrieval.meaning import Meaning
from application.retrieval.passages import Candidates, Passages
from application.retrieval.sealed_search import Asked, Examined, SealedSearch
from application.retrieval.vector_store import VectorStore, VectorStoreUnavailable
from domain.identity import Action, Caller
from domain.retrieval.query import LIMIT_MAX, SearchMode, SearchQuery
from domain.retrieval.vectors import VectorReason
from domain.retrieval.words import asked_for

PER_LEG = 100
PER_LEG_OF_MANY = 400
"""Passages of each leg where many documents are wanted: some have several among the best."""

OVERFETCHED = 2
"""A store is asked for more: what it is behind with is thrown away."""

SHARED_MAX = 5_000
"""Of more documents of others, a store is not asked: the filter would be larger than the search."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindCandidates:
    """Where more than `compared_max` passages may be searched, `vectors`, which has those of one
    `model`, is asked which of them may be near. Where it does not answer, or names fewer than there
    must be, all are compared.
    """

    passages: Passages
    sealed: SealedSearch
    features: bool
    vectors: VectorStore | None
    model: str
    compared_max: int

    async def __call__(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        examined: Examined,
        meaning: Meaning,
        *,
        named: Sequence[int] | None,
        lexemes: Sequence[str] | None = None,
    ) -> Candidates:
        """`named` are those that the store named. With `lexemes` these are looked for instead of
        the question's words."""
        by_meaning = by_meaning_alone(query, meaning)
        languages = languages_of(meaning.embedder)
        words, per_leg = "" if by_meaning else query.text, _per_leg(query)

        async def in_the_open(named: Sequence[int] | None) -> Candidates:
            return await self.passages.candidates(
                caller,
                query,
                action,
                words=words,
                vector=meaning.vector,
                model=meaning.model,
                languages=languages,
                all_compared=by_meaning,
                per_leg=per_leg,
                lexemes=lexemes,
                mixed=bool(examined),
                features=self.features,
                named=named,
            )

        found = await in_the_open(named)
        if named is not None and len(found.semantic) < min(per_leg, found.comparable):
            found = replace(await in_the_open(None), vectors=VectorReason.VECTOR_STORE_CAME_SHORT)
        if not examined:
            return found
        asked = Asked(words=asked_for(words), lexemes=lexemes)
        sealed = await asyncio.to_thread(
            examined.candidates,
            asked,
            vector=meaning.vector,
            model=meaning.model,
            languages=languages,
            all_compared=by_meaning,
            per_leg=per_leg,
        )
        return self.sealed.together(found, sealed, asked, per_leg)

    async def named(
        self, caller: Caller, query: SearchQuery, action: Action, meaning: Meaning
    ) -> tuple[Sequence[int] | None, list[Degradation]]:
        """What the store names; None: it is not asked, or does not answer."""
        if self.vectors is None or meaning.vector is None or meaning.model != self.model:
            return None, []
        reach = await self.passages.reach(caller, query, action, documents_max=SHARED_MAX)
        if reach.passages <= self.compared_max or reach.shared is None:
            return None, []
        try:
            named = await self.vectors.nearest(
                caller,
                meaning.vector,
                meaning.model,
                shared=reach.shared,
                only=query.document_ids,
                limit=_per_leg(query) * OVERFETCHED,
            )
        except VectorStoreUnavailable as failure:
            return None, [Degradation(step="vector_store", reason=failure.code)]
        return named, []


def by_meaning_alone(query: SearchQuery, meaning: Meaning) -> bool:
    return query.mode is SearchMode.SEMANTIC and meaning.vector is not None


def _per_leg(query: SearchQuery) -> int:
    return PER_LEG_OF_MANY if query.limit > LIMIT_MAX else PER_LEG
