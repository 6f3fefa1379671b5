"""How the vectors of a search were compared, and why so."""

from __future__ import annotations

from enum import StrEnum

EXACT_PASSAGES_MAX = 10_000
"""Up to so many visible passages each is compared: no graph was seen to be faster."""


class VectorMethod(StrEnum):
    EXACT = "exact"
    HNSW = "hnsw"
    VECTOR_STORE = "vector_store"
    NONE = "none"


class VectorReason(StrEnum):
    """Why this method. All but the last four come from what is visible alone, or nearly so."""

    NOT_ASKED = "not_asked"
    """No search by meaning was asked for, or the embedder was away."""
    FEW_VISIBLE = "few_visible"
    """Comparing all is fast, and finds the nearest for certain."""
    NO_GRAPH = "no_graph"
    """There is none, or it is being built."""
    FEW_OF_ALL_VISIBLE = "few_of_all_visible"
    """A graph would have to look at more entries than comparing all that is visible takes."""
    GRAPH = "graph"
    """It found as many as were wanted, within its bounds."""
    GRAPH_CAME_SHORT = "graph_came_short"
    """It did not, so that all that is visible was compared, in the same search."""
    VECTOR_STORE = "vector_store"
    """A store beside the database named those that were compared."""
    VECTOR_STORE_CAME_SHORT = "vector_store_came_short"
    """It named too few, so that all were compared."""

    @property
    def method(self) -> VectorMethod:
        if self is VectorReason.NOT_ASKED:
            return VectorMethod.NONE
        if self is VectorReason.VECTOR_STORE:
            return VectorMethod.VECTOR_STORE
        return VectorMethod.HNSW if self is VectorReason.GRAPH else VectorMethod.EXACT
