"""How the vectors of searches are compared, for Prometheus: by method and reason, nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter
from prometheus_client.metrics import MetricWrapperBase

from domain.retrieval.vectors import VectorReason


class PrometheusSearchMeter:
    """`SearchMeter`. Many `graph_came_short` say that the graph costs more than it gives: raise
    `search_exact_passages_max`."""

    def __init__(self) -> None:
        self._searches = Counter(
            "strongroom_vector_searches_total",
            "Searches by how vectors were compared, and why so.",
            ["method", "reason"],
            registry=None,
        )

    @property
    def collectors(self) -> Sequence[MetricWrapperBase]:
        return (self._searches,)

    def compared(self, reason: VectorReason) -> None:
        self._searches.labels(reason.method, reason).inc()
