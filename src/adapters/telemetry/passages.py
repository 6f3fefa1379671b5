"""How the vectors of searches are compared, for Prometheus: by method and reason, nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from application.retrieval.embedder import Vector
from application.retrieval.ports import Candidates, Passages, Reach, SealedPassage
from domain.identity import Action, Caller
from domain.language import Language
from domain.retrieval.query import SearchQuery


class MeteredPassages:
    """`Passages` around another. Many `graph_came_short` say that the graph costs more than it
    gives: raise `search_exact_passages_max`."""

    def __init__(self, passages: Passages) -> None:
        self._passages = passages
        self._searches = Counter(
            "strongroom_vector_searches_total",
            "Searches by how vectors were compared, and why so.",
            ["method", "reason"],
            registry=None,
        )

    @property
    def collectors(self) -> Sequence[MetricWrapperBase]:
        return (self._searches,)

    async def candidates(
        self,
        caller: Caller,
        query: SearchQuery,
        action: Action,
        *,
        words: str,
        vector: Vector | None,
        model: str,
        languages: Set[Language] | None = None,
        per_leg: int | None = None,
        lexemes: Sequence[str] | None = None,
        mixed: bool = False,
        features: bool = False,
        named: Sequence[int] | None = None,
    ) -> Candidates:
        found = await self._passages.candidates(
            caller,
            query,
            action,
            words=words,
            vector=vector,
            model=model,
            languages=languages,
            per_leg=per_leg,
            lexemes=lexemes,
            mixed=mixed,
            features=features,
            named=named,
        )
        self._searches.labels(found.vectors.method, found.vectors).inc()
        return found

    async def reach(
        self, caller: Caller, query: SearchQuery, action: Action, *, documents_max: int
    ) -> Reach:
        return await self._passages.reach(caller, query, action, documents_max=documents_max)

    async def vectors(
        self, caller: Caller, passages: Sequence[int], model: str
    ) -> Mapping[int, Vector]:
        return await self._passages.vectors(caller, passages, model)

    async def lexemes(self, caller: Caller, query: SearchQuery, action: Action) -> Sequence[str]:
        return await self._passages.lexemes(caller, query, action)

    async def closeness(
        self, caller: Caller, passages: Sequence[int], best: Sequence[int], model: str
    ) -> Mapping[int, float]:
        return await self._passages.closeness(caller, passages, best, model)

    async def sealed(self, caller: Caller, passages: Sequence[int]) -> Mapping[int, SealedPassage]:
        return await self._passages.sealed(caller, passages)
