"""`HalfVectors` with numpy: half precision, as pgvector keeps and compares what is in the open."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from application.retrieval.embedder import Vector


class NumpyHalfVectors:
    """Little-endian, whatever the machine. Sums are of 4-byte floats."""

    def pack(self, vectors: Sequence[Vector]) -> bytes:
        import numpy  # at the first use: it takes a while to load

        packed: bytes = numpy.array(vectors, dtype="<f4").astype("<f2").tobytes()
        return packed

    def vector(self, packed: bytes, place: int, dimensions: int) -> Vector:
        return _vector(_rows(packed, dimensions)[place])

    def closeness(self, packed: bytes, vector: Vector) -> Sequence[float]:
        rows = _rows(packed, len(vector))
        found: list[float] = (rows.astype("f4") @ _halved(vector)).tolist()
        return found

    def middle(self, vectors: Sequence[Vector]) -> Vector:
        import numpy

        return _vector(numpy.array(vectors, dtype="f8").mean(axis=0).astype("<f2"))


def _rows(packed: bytes, dimensions: int) -> Any:
    import numpy

    return numpy.frombuffer(packed, dtype="<f2").reshape(-1, dimensions)


def _halved(vector: Vector) -> Any:
    import numpy

    return numpy.array(vector, dtype="f4").astype("f2").astype("f4")


def _vector(row: Any) -> Vector:
    return array("f", row.astype("f4").tolist())
