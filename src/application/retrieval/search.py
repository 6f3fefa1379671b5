"""Search what one may see: candidates in one statement, one release, then their text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from application.ports import Cipher, ReleaseFailures, ReleaseGate
from application.retrieval.degradation import Degradation
from application.retrieval.feedback import Feedback
from application.retrieval.find_candidates import FindCandidates, by_meaning_alone
from application.retrieval.ladder import RUNGS, Climbed, Ladder
from application.retrieval.meaning import Meaning, Meanings
from application.retrieval.open_hits import OpenHits, Ranking
from application.retrieval.passages import Candidates, Passages
from application.retrieval.reranker import Reranker, reranked
from application.retrieval.sealed_index import HalfVectors
from application.retrieval.sealed_search import STEP, Examined, SealedSearch
from application.retrieval.vector_store import VectorStore
from domain.identity import Action, Caller
from domain.retrieval.documents import best_of_each, spread
from domain.retrieval.features import FEATURE_WEIGHTS, weighed
from domain.retrieval.fusion import FEEDBACK_WEIGHT, SEMANTIC_WEIGHT, fuse
from domain.retrieval.likeness import Rung
from domain.retrieval.passage import Hit
from domain.retrieval.query import Results, SearchMode, SearchQuery
from domain.retrieval.vectors import EXACT_PASSAGES_MAX, VectorReason
from domain.retrieval.words import asks_too_much

FEEDBACK_PASSAGES = 3
ASKED_AGAIN_MAX = 3
"""How often a question is embedded anew because another model serves its tenant by now."""


class SearchMeter(Protocol):
    """Counts how vectors were compared. Never fails."""

    def compared(self, reason: VectorReason) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPage:
    """Hits, best first; `mode` is what was really done, among `visible` passages, `rung` how
    the words were found, and `vectors` how those in the open were compared. `examined` counts the
    sealed documents that were opened for it."""

    hits: Sequence[Hit]
    mode: SearchMode
    degraded: Sequence[Degradation]
    rung: Rung = Rung.WORDS
    visible: int = 0
    examined: int = 0
    vectors: VectorReason = VectorReason.NOT_ASKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Used for result pages (action `search`) and for the excerpts of a chat (`quote`).

    A question is embedded by the model that serves its tenant. Which it is is told by the search
    itself, so that it is never answered from vectors that are not all there. What is written in
    languages that the model does not read is ranked by its words alone, unless meaning alone was
    asked for.

    What is sealed is opened first, as far as it may be searched, and ranked with the rest.

    With a `reranker` the best `rerank_passages` are released and shown to it, also those that the
    page then has no room for: the log tells of them as of what is shown.

    Where more than `compared_max` passages may be searched, `vectors` is asked which of them may be
    near. Where it does not answer, or names fewer than there must be, all are compared.
    """

    meanings: Meanings
    passages: Passages
    sealed: SealedSearch
    half_vectors: HalfVectors
    gate: ReleaseGate
    failures: ReleaseFailures
    cipher: Cipher
    meter: SearchMeter
    semantic_weight: float = SEMANTIC_WEIGHT
    feedback_weight: float = FEEDBACK_WEIGHT
    feature_weights: Mapping[str, float] = field(default_factory=lambda: FEATURE_WEIGHTS)
    reranker: Reranker | None = None
    rerank_passages: int = 20
    vectors: VectorStore | None = None
    compared_max: int = EXACT_PASSAGES_MAX

    async def __call__(
        self, *, caller: Caller, query: SearchQuery, action: Action = Action.SEARCH
    ) -> SearchPage:
        """Raises Unavailable when the database or the gate does not answer."""
        async with self.sealed.examine(caller=caller, query=query, action=action) as examined:
            return await self._search(caller, query, action, examined)

    async def _search(
        self, caller: Caller, query: SearchQuery, action: Action, examined: Examined
    ) -> SearchPage:
        find = FindCandidates(
            passages=self.passages,
            sealed=self.sealed,
            features=bool(self.feature_weights.keys() - {"owner_weight"}),
            vectors=self.vectors,
            model=self.meanings.embedder.model,
            compared_max=self.compared_max,
        )
        meaning = await self.meanings.of(caller.tenant_id, query)
        named, store_failed = await find.named(caller, query, action, meaning)

        async def candidates(lexemes: Sequence[str] | None = None) -> Candidates:
            nonlocal meaning, named
            for _ in range(ASKED_AGAIN_MAX):
                found = await find(
                    caller, query, action, examined, meaning, named=named, lexemes=lexemes
                )
                if found.serving in (None, meaning.model) or query.mode is SearchMode.KEYWORD:
                    break
                named = None  # for the question as another model puts it
                meaning = await self.meanings.served(caller.tenant_id, query, found.serving)
            return found

        found, rung = await candidates(), Rung.WORDS
        semantic_only = by_meaning_alone(query, meaning)
        self.meter.compared(found.vectors)
        degraded = [*_degraded(query, found, meaning, examined, semantic_only), *store_failed]
        if not semantic_only and found.visible and found.words and not found.keyword:
            climb = Ladder(passages=self.passages)
            climbed = await climb(
                caller=caller, query=query, action=action, search=candidates, examined=examined
            )
            degraded += _passed(climbed)
            rung, found = climbed.rung, climbed.found or found
        weight = self.semantic_weight if rung is Rung.WORDS else (1 + self.semantic_weight) / 2
        if self.feedback_weight and found.semantic and found.keyword:
            first = [passage for passage, _ in _fused(found, weight)[:FEEDBACK_PASSAGES]]
            move = Feedback(
                passages=self.passages, half_vectors=self.half_vectors, weight=self.feedback_weight
            )
            found = await move(caller, found, first, examined, meaning.model)
        hits, rerank_failed = await self._hits(caller, query, action, found, weight, examined)
        return SearchPage(
            hits=hits,
            mode=_done(meaning, found, semantic_only),
            degraded=[*degraded, *rerank_failed],
            rung=rung,
            visible=found.visible,
            examined=len(examined.opened),
            vectors=found.vectors,
        )

    async def _hits(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        found: Candidates,
        semantic_weight: float,
        examined: Examined,
    ) -> tuple[Sequence[Hit], list[Degradation]]:
        ranked = weighed(_fused(found, semantic_weight), found.features, self.feature_weights)
        ranking: Ranking = [(passage, found.versions[passage], score) for passage, score in ranked]
        if query.results is Results.DOCUMENTS:
            ranking = best_of_each(ranking)
        elif query.results is Results.SPREAD:
            ranking = spread(ranking)
        open_hits = OpenHits(
            passages=self.passages, gate=self.gate, failures=self.failures, cipher=self.cipher
        )
        if self.reranker is None:
            return await open_hits(caller, query, action, ranking, found, examined), []
        more = replace(query, limit=max(query.limit, self.rerank_passages))
        opened = await open_hits(caller, more, action, ranking, found, examined)
        hits, failed = await reranked(self.reranker, query.text, opened)
        return hits[: query.limit], failed


def _degraded(
    query: SearchQuery,
    found: Candidates,
    meaning: Meaning,
    examined: Examined,
    semantic_only: bool,
) -> list[Degradation]:
    """What was wanted and not done before the ladder."""
    degraded = [*meaning.degraded, *examined.degraded]
    if meaning.vector is not None and examined.lacks(meaning.model):
        degraded.append(Degradation(step=STEP, reason="embedder_changed"))
    if found.vectors is VectorReason.VECTOR_STORE_CAME_SHORT:
        degraded.append(Degradation(step="vector_store", reason="incomplete"))
    if not semantic_only and found.words == 0:
        degraded.append(Degradation(step="keyword", reason="no_searchable_words"))
    elif not semantic_only and asks_too_much(query.text):
        degraded.append(Degradation(step="keyword", reason="too_many_words"))
    if meaning.vector is not None and found.unread:
        degraded.append(Degradation(step="semantic", reason="language_not_read"))
    return degraded


def _fused(found: Candidates, semantic_weight: float) -> Sequence[tuple[int, float]]:
    return fuse(found.semantic, found.keyword, semantic_weight=semantic_weight, unread=found.unread)


def _passed(climbed: Climbed) -> list[Degradation]:
    """The steps of the ladder that found nothing, before the one that did."""
    steps = ["keyword", *RUNGS]
    passed = steps[: steps.index(climbed.rung)] if climbed.rung in steps else steps
    return [
        Degradation(step=step, reason="too_many_words" if step in climbed.cut else "no_hit")
        for step in passed
    ]


def _done(meaning: Meaning, found: Candidates, semantic_only: bool) -> SearchMode:
    if meaning.vector is None:
        return SearchMode.KEYWORD
    if semantic_only or found.words == 0:
        return SearchMode.SEMANTIC
    if found.unread and not found.semantic:
        return SearchMode.KEYWORD
    return SearchMode.HYBRID
