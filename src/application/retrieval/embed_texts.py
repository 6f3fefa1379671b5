"""Embed texts: vectors for whoever wants to compare texts of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.ports import RateLimits
from application.retrieval.embedder import Embedder, Vector
from domain.errors import Invalid
from domain.identity import Caller

TEXTS_MAX = 256
TEXT_CHARACTERS_MAX = 32_000
PER_PERSON = "embedding_rate_per_person"


class TextsOutOfRange(Invalid):
    """From 1 to 256 texts are embedded at a time."""

    code = "texts_out_of_range"


class TextNotEmbeddable(Invalid):
    """A text to embed has from 1 to 32,000 characters."""

    code = "text_not_embeddable"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedTexts:
    """Nothing is stored. A person may ask so often, for the same processors index documents."""

    embedder: Embedder
    limits: RateLimits

    async def __call__(self, *, caller: Caller, texts: Sequence[str]) -> Sequence[Vector]:
        """One vector per text, in order; a text is cut where the model reads no further.

        Raises TextsOutOfRange, TextNotEmbeddable naming the text, TooMany, EmbedderUnavailable.
        """
        if not 1 <= len(texts) <= TEXTS_MAX:
            raise TextsOutOfRange(field="/input")
        for position, text in enumerate(texts):
            if not 1 <= len(text) <= TEXT_CHARACTERS_MAX:
                raise TextNotEmbeddable(field=f"/input/{position}")
        await self.limits.attempt(PER_PERSON, str(caller.tenant_id), str(caller.person_id))
        return await self.embedder.embed_passages(texts)
