"""Feedback: the semantic leg, moved towards what the best hits of both legs are about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from application.retrieval.passages import Candidates, Passages
from application.retrieval.sealed_index import HalfVectors
from application.retrieval.sealed_search import Examined
from domain.identity import Caller
from domain.retrieval.fusion import with_feedback


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """`weight` is that of the best hits beside the question."""

    passages: Passages
    half_vectors: HalfVectors
    weight: float

    async def __call__(
        self,
        caller: Caller,
        found: Candidates,
        first: Sequence[int],
        examined: Examined,
        model: str,
    ) -> Candidates:
        """`first` are the best hits."""
        best = [passage for passage in first if passage in found.semantic]
        passages = list(found.semantic)
        if any(passage in examined for passage in passages):
            closeness = await self._closeness(caller, passages, best, examined, model)
        else:
            closeness = await self.passages.closeness(caller, passages, best, model)
        moved = with_feedback(found.semantic, closeness, weight=self.weight)
        return replace(found, semantic=moved)

    async def _closeness(
        self,
        caller: Caller,
        passages: Sequence[int],
        best: Sequence[int],
        examined: Examined,
        model: str,
    ) -> Mapping[int, float]:
        """As in the database, which is not told where sealed passages are."""
        in_the_open = [passage for passage in passages if passage not in examined]
        vectors = dict(await self.passages.vectors(caller, in_the_open, model))
        for passage in passages:
            if passage in examined and (own := examined.vector(passage, model)) is not None:
                vectors[passage] = own
        near = [vectors[passage] for passage in best if passage in vectors]
        if not near:
            return {}
        closeness = self.half_vectors.closeness(
            self.half_vectors.pack(list(vectors.values())), self.half_vectors.middle(near)
        )
        return dict(zip(vectors, closeness, strict=True))
