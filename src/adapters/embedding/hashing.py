"""HashingEmbedder: an Embedder for unit tests, instant and reproducible. It knows no meaning."""

from __future__ import annotations

import math
import re
from array import array
from collections.abc import Sequence
from hashlib import blake2b

from application.retrieval.embedder import Vector

_WORD = re.compile(r"\w+")
_FLOOR = 0.01


class HashingEmbedder:
    """Counts words in hashed, signed places (Weinberger et al., 2009, "Feature hashing").

    Texts that share words are close, synonyms are not. The first place is a small constant,
    so that a text without words has a direction too.
    """

    model = "hashing-1"

    def __init__(self, *, dimensions: int = 384) -> None:
        if dimensions < 2:
            raise ValueError("a hashing embedder needs at least 2 dimensions")
        self.dimensions = dimensions

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        return [self._embed(text) for text in texts]

    async def embed_query(self, text: str) -> Vector:
        return self._embed(text)

    def _embed(self, text: str) -> Vector:
        counts = [0.0] * self.dimensions
        counts[0] = _FLOOR
        for word in _WORD.findall(text.casefold()):
            digest = blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
            place = 1 + int.from_bytes(digest[1:]) % (self.dimensions - 1)
            counts[place] += 1.0 if digest[0] & 1 else -1.0
        length = math.sqrt(sum(count * count for count in counts))
        return array("f", (count / length for count in counts))
