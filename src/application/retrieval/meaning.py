"""A question as an embedding model puts it: of the model that serves its tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from application.retrieval.degradation import Degradation
from application.retrieval.embedder import (
    Embedder,
    EmbedderUnavailable,
    Vector,
    embedders_by_model,
)
from application.retrieval.guarded_embedder import EmbedderResting, EmbedderTooSlow
from domain.identity import TenantId
from domain.retrieval.query import SearchMode, SearchQuery

TENANTS_REMEMBERED_MAX = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """A question as one model puts it; None, where it was not asked or did not answer."""

    model: str
    vector: Vector | None = None
    embedder: Embedder | None = None
    degraded: Sequence[Degradation] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Meanings:
    """By `embedder`, or by one of the `others` while a tenant moves from one to the other."""

    embedder: Embedder
    others: Sequence[Embedder] = ()
    _serving: dict[TenantId, str] = field(default_factory=dict, compare=False)

    async def of(self, tenant_id: TenantId, query: SearchQuery) -> Meaning:
        """By the model that served last, as far as is known here."""
        return await self._by(self._serving.get(tenant_id, self.embedder.model), query)

    async def served(self, tenant_id: TenantId, query: SearchQuery, model: str) -> Meaning:
        """By the model that serves, as a search has just told."""
        if len(self._serving) >= TENANTS_REMEMBERED_MAX:
            self._serving.clear()
        self._serving[tenant_id] = model
        return await self._by(model, query)

    async def _by(self, model: str, query: SearchQuery) -> Meaning:
        if query.mode is SearchMode.KEYWORD:
            return Meaning(model=model)
        embedder = embedders_by_model(self.embedder, self.others).get(model)
        if embedder is None:
            return _without(model, "embedder_not_configured")
        try:
            vector = await embedder.embed_query(query.text)
        except EmbedderUnavailable as unavailable:
            return _without(model, _reason(unavailable))
        return Meaning(model=model, vector=vector, embedder=embedder)


def _without(model: str, reason: str) -> Meaning:
    return Meaning(model=model, degraded=[Degradation(step="semantic", reason=reason)])


def _reason(unavailable: EmbedderUnavailable) -> str:
    """Some kinds are told apart; how a model fails is otherwise nobody's business."""
    told = isinstance(unavailable, (EmbedderTooSlow, EmbedderResting))
    return unavailable.code if told else EmbedderUnavailable.code
