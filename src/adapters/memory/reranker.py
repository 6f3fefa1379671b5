"""OverlapReranker: a Reranker for tests, instant and reproducible. It counts words in common."""

from __future__ import annotations

import re
from collections.abc import Sequence

_WORD = re.compile(r"\w+")


class OverlapReranker:
    """The share of the question's words that a passage has. Knows no meaning."""

    model = "overlap-1"

    async def rerank(self, question: str, passages: Sequence[str]) -> Sequence[float]:
        asked = _words(question)
        return [len(asked & _words(each)) / max(len(asked), 1) for each in passages]

    async def close(self) -> None:
        pass


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
