"""Traces: where they go, and the spans that the edges open.

The code speaks to the OpenTelemetry API, which does nothing until `configure_telemetry` has given
it the SDK. Spans carry names, kinds, counts and outcomes. What could name a person or a document
stays out: no ids, no paths, no query strings, no bodies, no exception texts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
)

from entrypoints.http.request_ids import TraceParent
from entrypoints.settings import Settings, SettingsError

# A collector that does not answer delays a stop by three exports at most.
EXPORT_SECONDS_MAX = 2.0
QUEUE_SPANS_MAX = 4096
BATCH_SPANS_MAX = 2048

_tracer = trace.get_tracer("strongroom")


def configure_telemetry(settings: Settings) -> None:
    """Export spans over OTLP/HTTP to the collector at `otlp_url`; nothing where it is not set.

    Sampling, headers and further resource attributes come from the SDK's own OTEL_... variables.
    Spans are dropped, never waited for, while the collector is slow. Raises SettingsError when the
    packages of the extra are not installed.
    """
    if settings.otlp_url is None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise SettingsError(
            "otlp_url is set, but the packages that export spans are not installed: "
            "install strongroom[otel], or unset STRONGROOM_OTLP_URL."
        ) from None
    service = {"service.name": "strongroom", "service.version": version("strongroom")}
    provider = TracerProvider(resource=Resource.create(service))
    exporter = OTLPSpanExporter(
        endpoint=settings.otlp_url.rstrip("/") + "/v1/traces", timeout=EXPORT_SECONDS_MAX
    )
    provider.add_span_processor(
        BatchSpanProcessor(
            exporter, max_queue_size=QUEUE_SPANS_MAX, max_export_batch_size=BATCH_SPANS_MAX
        )
    )
    trace.set_tracer_provider(provider)


@contextmanager
def request_span(method: str, parent: TraceParent | None) -> Iterator[Span]:
    """The span of one request, under its caller's where there is one; see `name_request`.

    Made current by hand: what OpenTelemetry has for it is three generators deep, for as long as a
    stream is open.
    """
    span = _tracer.start_span(
        _known(method),
        context=_context_of(parent),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": _known(method)},
        record_exception=False,
        set_status_on_exception=False,
    )
    current = attach(trace.set_span_in_context(span))
    try:
        yield span
    finally:
        detach(current)
        span.end()


def name_request(span: Span, *, method: str, route: str | None, status: int) -> None:
    """Say which route it was, and how it ended, once both are known.

    `route` is the template, None where none matched; `status` is 0 where nothing was answered.
    """
    if not span.is_recording():
        return
    if route is not None:
        span.update_name(f"{_known(method)} {route}")
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
    if status >= 500:
        span.set_attribute("error.type", str(status))
        span.set_status(StatusCode.ERROR)


@contextmanager
def job_span(name: str, *, attempt: int) -> Iterator[None]:
    """The span of one attempt at a job, counted from 1; a failure leaves its type and no text."""
    with _tracer.start_as_current_span(
        f"job {name}",
        context=Context(),
        kind=SpanKind.CONSUMER,
        attributes={"strongroom.job.name": name, "strongroom.job.attempt": attempt},
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise


# A method that HTTP does not define is the client's own text: the conventions call it _OTHER.
_METHODS = frozenset(
    {"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"}
)


def _known(method: str) -> str:
    return method if method in _METHODS else "_OTHER"


def _context_of(parent: TraceParent | None) -> Context:
    if parent is None:
        return Context()
    caller = SpanContext(
        trace_id=int(parent.trace_id, 16),
        span_id=int(parent.parent_id, 16),
        is_remote=True,
        trace_flags=TraceFlags(TraceFlags.SAMPLED if parent.sampled else TraceFlags.DEFAULT),
    )
    return trace.set_span_in_context(NonRecordingSpan(caller), Context())
