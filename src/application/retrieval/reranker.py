"""Reranker: reads a question beside each passage, and says how well the passage answers it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from application.retrieval.degradation import Degradation
from domain.errors import Unavailable
from domain.retrieval.fusion import normalised
from domain.retrieval.passage import Hit, above


class RerankerUnavailable(Unavailable):
    """The reranking model does not answer; the order of the search is kept."""

    code = "reranker_unavailable"


class RerankerTooSlow(RerankerUnavailable):
    """The reranking model did not answer in time; the order of the search is kept."""

    code = "reranker_too_slow"


class Reranker(Protocol):
    """Scores passages against one question. It is shown text, so it is given only what the gate
    released to whoever asks.

    Any strings are accepted, the empty one too; what is longer than the model reads is cut. Scores
    compare the passages of one call. Raises RerankerUnavailable when the model is absent, down,
    overloaded, or answers something else than was asked, and RerankerTooSlow after its own limit. A
    caller may cancel at any moment.
    """

    @property
    def model(self) -> str:
        """Its name, at most 100 characters."""
        ...

    async def rerank(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        """One finite number per passage, in their order; higher answers better. None for none."""
        ...

    async def close(self) -> None: ...


async def reranked(
    reranker: Reranker, question: str, hits: Sequence[Hit]
) -> tuple[Sequence[Hit], list[Degradation]]:
    """In the order of how well each answers, with scores from 0 to 1 of that; in the order that
    they have where the reranker fails."""
    if not hits:
        return hits, []
    passages = [
        "\n".join((*above(hit.passage.title, hit.passage.heading_path), hit.passage.text))
        for hit in hits
    ]
    try:
        told = await reranker.rerank(question, passages)
    except RerankerUnavailable as failure:
        return hits, [Degradation(step="rerank", reason=failure.code)]
    scores = normalised(dict(enumerate(told)))
    order = sorted(scores, key=lambda place: (-scores[place], place))
    return [replace(hits[place], score=scores[place]) for place in order], []
