"""What embedders do, for Prometheus: by the names of models and outcomes, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from application.retrieval.guarded_embedder import QueryOutcome

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class PrometheusEmbedderMeter:
    """`EmbedderMeter`. Its collectors belong to no registry until somebody registers them."""

    def __init__(self) -> None:
        self._queries = Counter(
            "strongroom_embedder_queries_total",
            "Queries to be embedded, by how that ended; resting: the breaker kept them away.",
            ["model", "outcome"],
            registry=None,
        )
        self._seconds = Histogram(
            "strongroom_embedder_query_seconds",
            "How long a search waited for the vector of its query.",
            ["model"],
            buckets=SECONDS,
            registry=None,
        )

    @property
    def collectors(self) -> Sequence[MetricWrapperBase]:
        return (self._queries, self._seconds)

    def asked(self, model: str, outcome: QueryOutcome, seconds: float) -> None:
        self._queries.labels(model, outcome).inc()
        self._seconds.labels(model).observe(seconds)
