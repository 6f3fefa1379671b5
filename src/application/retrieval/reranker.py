"""Reranker: reads a question beside each passage, and says how well the passage answers it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from domain.errors import Unavailable


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
