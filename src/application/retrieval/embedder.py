"""Embedder: turns text into vectors whose closeness is closeness of meaning."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence, Set
from typing import Protocol, TypeAlias

from domain.errors import Unavailable
from domain.language import Language

Vector: TypeAlias = "array[float]"
"""A vector of unit length: an array of typecode "f", so 4 bytes per dimension.

It is a buffer, so that numpy and the database driver read it without a copy per number.
The length is the embedder's `dimensions`; closeness is the inner product.
"""


class EmbedderUnavailable(Unavailable):
    """The embedding model does not answer; search goes on by keyword."""

    code = "embedder_unavailable"


class Embedder(Protocol):
    """Makes one vector per text. A vector depends on its text and on `model`, on nothing else.

    Any string is accepted, the empty one too; what is longer than the model reads is cut, so
    passages must be chunked to fit. Vectors of different models cannot be compared: `model`
    is stored with each, and a new model means embedding everything anew.

    Both methods raise EmbedderUnavailable when the model is absent, down or overloaded.
    Neither has a time limit of its own: a caller in a hurry sets one and cancels, which is
    safe at any moment. The first call may take seconds, while a model is made ready.
    """

    @property
    def model(self) -> str:
        """Name and version, at most 100 characters; changes whenever the vectors do."""
        ...

    @property
    def dimensions(self) -> int: ...

    async def embed_passages(self, texts: Sequence[str]) -> Sequence[Vector]:
        """One vector per text, in order, in bounded memory beside the result.

        Any number of texts; an empty sequence gives an empty one. Never holds up queries.
        """
        ...

    async def embed_query(self, text: str) -> Vector: ...


DIMENSIONS_MAX = 3_584
"""A vector lies in one row of the index, which ends with its page."""


def embedders_by_model(embedder: Embedder, others: Sequence[Embedder]) -> Mapping[str, Embedder]:
    """What this process can embed with. Of two that make the same vectors, the first."""
    return {each.model: each for each in (*reversed(others), embedder)}


def languages_of(embedder: Embedder | None) -> Set[Language] | None:
    """What it reads; one that does not say so reads everything."""
    return getattr(embedder, "languages", None)
