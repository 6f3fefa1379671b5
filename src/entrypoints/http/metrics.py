"""Prometheus metrics: counts and durations by route and kind, never by person or content."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from litestar import Response, get
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.breaker import BreakerState
from entrypoints.http.access import PUBLIC
from entrypoints.http.edge import Answered
from entrypoints.http.injected import Injected


class Metrics:
    """One registry per process; gauges are read when they are asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "strongroom_requests_total",
            "Requests answered.",
            ["method", "route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "strongroom_request_seconds",
            "Time from the first byte of a request to the end of its response.",
            ["route"],
            registry=self.registry,
        )

    def observe(self, answered: Answered) -> None:
        route = answered.route or "none"
        self._requests.labels(answered.method, route, str(answered.status)).inc()
        self._seconds.labels(route).observe(answered.seconds)

    def add(self, collectors: Iterable[Collector]) -> None:
        """Counted elsewhere, told here."""
        for each in collectors:
            self.registry.register(each)

    def gauge(self, name: str, text: str, read: Callable[[], float]) -> None:
        Gauge(f"strongroom_{name}", text, registry=self.registry).set_function(read)


class BreakerGauge(Collector):
    """Whether each model may be called: 1 for the state in which its breaker is."""

    def __init__(self, name: str, states: Callable[[], Mapping[str, BreakerState]]) -> None:
        self._name = name
        self._states = states

    def collect(self) -> Iterable[Metric]:
        gauge = GaugeMetricFamily(
            f"strongroom_{self._name}", "States of circuit breakers.", labels=["model", "state"]
        )
        for model, now in self._states().items():
            for state in BreakerState:
                gauge.add_metric([model, state], float(state is now))
        return [gauge]


@get("/metrics", opt=PUBLIC, tags=["Operations"], media_type="text/plain", include_in_schema=False)
async def metrics(metrics: Injected[Metrics]) -> Response[bytes]:
    """What Prometheus scrapes."""
    return Response(
        generate_latest(metrics.registry), headers={"Content-Type": CONTENT_TYPE_LATEST}
    )
