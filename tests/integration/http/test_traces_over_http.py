"""Spans tell what was done and how it ended, and nothing about whom or what it was done with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from uuid import uuid4

import httpx2
import pytest
from litestar import get
from litestar.params import FromPath
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from adapters.contracts.language_model import LIMITS, PROMPT
from adapters.memory.scripted_model import ScriptedModel
from adapters.postgres.engine import Database
from adapters.postgres.tenants import create_tenant
from adapters.telemetry.language_model import TracedModel
from application.chat.language_model import ModelUnavailable, Spent, Text
from domain.errors import NotFound
from entrypoints.cli.serve import worker_of
from entrypoints.container import Container
from entrypoints.http.access import PUBLIC
from entrypoints.http.app import http_application
from entrypoints.http.drain import Drain
from entrypoints.http.health import Health
from entrypoints.http.metrics import Metrics
from entrypoints.http.pages import Cursors
from entrypoints.telemetry import job_span, request_span
from tests.integration.http.conftest import Serve

CANARY = "heron-over-the-weir"
SERVER = "GET /things/{thing}"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = "00f067aa0ba902b7"


@get("/things/{thing:str}", opt=PUBLIC)
async def read_thing(thing: FromPath[str]) -> str:
    if thing == "missing":
        raise NotFound(f"There is no {CANARY}.")
    if thing == "broken":
        raise RuntimeError(f"The {CANARY} is in this message.")
    return "a thing"


@pytest.fixture(scope="module")
def exporter() -> Iterator[InMemorySpanExporter]:
    """The API takes a provider once per process: whatever runs after this module is not kept."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    trace.set_tracer_provider(provider)
    yield kept
    provider.shutdown()


@pytest.fixture
def spans(exporter: InMemorySpanExporter) -> InMemorySpanExporter:
    exporter.clear()
    return exporter


async def test_a_request_is_one_span_named_by_its_route(
    serve: Serve, spans: InMemorySpanExporter
) -> None:
    async with serve(read_thing) as running:
        await running.client.get(f"/things/{CANARY}")
        await running.until(lambda: running.answered)
    (span,) = spans.get_finished_spans()
    assert (span.name, span.kind, span.parent) == (SERVER, SpanKind.SERVER, None)
    assert dict(span.attributes or {}) == {
        "http.request.method": "GET",
        "http.route": "/things/{thing}",
        "http.response.status_code": 200,
    }


async def test_a_request_continues_the_trace_of_its_caller(
    serve: Serve, spans: InMemorySpanExporter
) -> None:
    async with serve(read_thing) as running:
        for sampled in ("01", "00"):
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-{sampled}"}
            await running.client.get("/things/one", headers=headers)
        await running.until(lambda: len(running.answered) == 2)
    (span,) = spans.get_finished_spans()  # the second caller had chosen not to be recorded
    assert span.context is not None
    assert span.parent is not None
    assert span.context.trace_id == span.parent.trace_id == int(TRACE, 16)
    assert span.parent.span_id == int(PARENT, 16)


@pytest.mark.parametrize(
    ("path", "name", "status", "outcome"),
    [
        ("/things/missing", SERVER, 404, StatusCode.UNSET),
        ("/things/broken", SERVER, 500, StatusCode.ERROR),
        (f"/{CANARY}", "GET", 404, StatusCode.UNSET),
    ],
)
async def test_what_went_wrong_is_a_status_and_no_text(
    path: str,
    name: str,
    status: int,
    outcome: StatusCode,
    serve: Serve,
    spans: InMemorySpanExporter,
) -> None:
    async with serve(read_thing) as running:
        await running.client.get(path)
        await running.until(lambda: running.answered)
    (span,) = spans.get_finished_spans()
    assert span.name == name
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == status
    assert span.status.status_code == outcome
    assert span.events == ()
    assert CANARY not in span.to_json()


def test_a_method_that_the_client_made_up_is_not_told(spans: InMemorySpanExporter) -> None:
    with request_span(CANARY, None):
        pass
    (span,) = spans.get_finished_spans()
    assert span.name == "_OTHER"
    assert CANARY not in span.to_json()


def test_a_job_that_failed_leaves_the_type_of_its_error(spans: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match=CANARY), job_span("index_version", attempt=2):
        raise ValueError(f"The {CANARY} is in this message.")
    (span,) = spans.get_finished_spans()
    assert span.status.status_code is StatusCode.ERROR
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert CANARY not in span.to_json()


@pytest.fixture
async def asha(container: Container, database: Database) -> AsyncIterator[httpx2.AsyncClient]:
    """Signed in to the whole application, with a worker beside it."""
    tenant = f"traced-{uuid4()}"
    await create_tenant(database, name=tenant, sign_up_open=True)
    connection = await database.connect("postgres")
    await connection.execute("DELETE FROM pgqueuer")  # what other tests enqueued and left
    await connection.close()
    app = http_application(
        container,
        version="1",
        drain=Drain(),
        cursors=Cursors(secret=b"c" * 32),
        health=Health(needed={}, useful={}),
        measured=Metrics(),
    )
    who = {"email": f"{CANARY}@example.org", "password": f"{CANARY}-passes", "tenant": tenant}
    worker = worker_of(container, container.settings())
    transport = httpx2.ASGITransport(app)  # type: ignore[arg-type]
    async with (
        worker.working(),
        httpx2.AsyncClient(transport=transport, base_url="http://strongroom") as client,
    ):
        made = await client.post("/v1/accounts", json={**who, "display_name": CANARY})
        assert made.status_code == 201, made.text
        session = await client.post("/v1/sessions", json=who)
        client.headers["Authorization"] = f"Bearer {session.json()['access_token']}"
        yield client


async def test_nothing_private_is_in_any_span(
    asha: httpx2.AsyncClient, spans: InMemorySpanExporter
) -> None:
    content = f"# {CANARY}\n\nThe {CANARY} is the whole of this document.".encode()
    files = {"file": (f"{CANARY}.md", content, "text/markdown")}
    made = await asha.post("/v1/documents", files=files, data={"title": CANARY})
    assert made.status_code == 202, made.text
    document = f"/v1/documents/{made.json()['id']}"
    async with asyncio.timeout(30):
        while (await asha.get(document)).json()["state"] != "ready":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    found = await asha.post("/v1/search", json={"query": CANARY, "limit": 5})
    assert CANARY in found.json()["items"][0]["text"]
    assert CANARY in (await asha.get(f"{document}/content")).text
    await asha.get(f"/v1/documents?title={CANARY}")
    await asha.get(f"/{CANARY}?{CANARY}")

    finished = spans.get_finished_spans()
    told = "".join(_told(span) for span in finished)
    for private in (CANARY, made.json()["id"], asha.headers["authorization"].split(".")[2]):
        assert private not in told
    by_id = {span.context.span_id: span for span in finished if span.context is not None}
    parents = {
        (by_id[span.parent.span_id].name if span.parent else None)
        for span in finished
        if span.name == "release_gate"
    }
    assert parents >= {"POST /v1/search", "GET /v1/documents/{document_id}/content"}
    jobs = [span for span in finished if span.name == "job index_version"]
    assert [(each.status.status_code, each.parent) for each in jobs] == [(StatusCode.UNSET, None)]


def _told(span: ReadableSpan) -> str:
    told: str = span.to_json()
    return told


async def test_a_call_to_a_model_is_a_span_by_the_conventions_for_generative_ai(
    spans: InMemorySpanExporter,
) -> None:
    said = [Text(CANARY), Text(CANARY), Spent(input_tokens=7, output_tokens=3, cached_tokens=2)]
    model = TracedModel(model=ScriptedModel(script=said, name="m"), provider="scripted")
    assert [piece async for piece in model.stream(PROMPT, LIMITS)] == said
    (span,) = spans.get_finished_spans()
    told = dict(span.attributes or {})
    seconds = told.pop("gen_ai.response.time_to_first_chunk")
    assert isinstance(seconds, float)
    assert 0 <= seconds < 60
    assert (span.name, span.kind) == ("chat m", SpanKind.CLIENT)
    assert told == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "scripted",
        "gen_ai.request.model": "m",
        "gen_ai.request.max_tokens": LIMITS.output_tokens_max,
        "gen_ai.request.stream": True,
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "strongroom.prompt.version": PROMPT.version,
        "strongroom.prompt.excerpts": len(PROMPT.excerpts),
    }
    assert CANARY not in span.to_json()
    assert PROMPT.question not in span.to_json()


async def test_a_call_that_fails_tells_its_kind_and_one_that_is_given_up_is_no_error(
    spans: InMemorySpanExporter,
) -> None:
    failing = ScriptedModel(script=[ModelUnavailable(f"The {CANARY} is down.")], name="m")
    with pytest.raises(ModelUnavailable):
        await anext(TracedModel(model=failing, provider="scripted").stream(PROMPT, LIMITS))
    talking = ScriptedModel(script=[Text("a"), Text("b")], name="m")
    pieces = TracedModel(model=talking, provider="scripted").stream(PROMPT, LIMITS)
    await anext(pieces)
    await pieces.aclose()
    failed, given_up = spans.get_finished_spans()
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "model_unavailable"
    assert CANARY not in failed.to_json()
    assert given_up.status.status_code is StatusCode.UNSET
    assert "gen_ai.response.finish_reasons" not in (given_up.attributes or {})
