"""What models do, for Prometheus: by the names of models and outcomes, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

from prometheus_client import Counter, Histogram
from prometheus_client.metrics import MetricWrapperBase

from domain.chat.model_call import ModelCall
from domain.chat.price import MICROS

SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class PrometheusModelMeter:
    """`ModelMeter`. Its collectors belong to no registry until somebody registers them."""

    def __init__(self) -> None:
        self._calls = Counter(
            "strongroom_model_calls_total",
            "Calls to models, by how they ended.",
            ["model", "outcome"],
            registry=None,
        )
        self._tokens = Counter(
            "strongroom_model_tokens_total",
            "Tokens that models read (input, of which cached) and wrote (output).",
            ["model", "kind"],
            registry=None,
        )
        self._cost = Counter(
            "strongroom_model_cost_total",
            "What calls cost, in the currency of the price table.",
            ["model"],
            registry=None,
        )
        self._first_piece = Histogram(
            "strongroom_model_first_token_seconds",
            "Time from a call to the first piece of its answer.",
            ["model"],
            buckets=SECONDS,
            registry=None,
        )
        self._unsettled = Counter(
            "strongroom_runs_unsettled_total",
            "Runs whose usage could not be noted: the database was away for too long.",
            registry=None,
        )

    @property
    def collectors(self) -> Sequence[MetricWrapperBase]:
        return (self._calls, self._tokens, self._cost, self._first_piece, self._unsettled)

    def called(self, call: ModelCall) -> None:
        self._calls.labels(call.model, call.outcome).inc()
        tokens = call.tokens
        counts = {"input": tokens.input, "cached": tokens.cached, "output": tokens.output}
        for kind, count in counts.items():
            if count:
                self._tokens.labels(call.model, kind).inc(count)
        if call.cost_micros:
            self._cost.labels(call.model).inc(call.cost_micros / MICROS)
        if call.first_piece_seconds is not None:
            self._first_piece.labels(call.model).observe(call.first_piece_seconds)

    def unsettled(self) -> None:
        self._unsettled.inc()
