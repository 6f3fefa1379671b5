"""What leaves the machine when a collector is named: the real exporter, and the bytes it sends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.running.collector import Collector, collecting
from tests.integration.running.people import signed_up
from tests.integration.running.program import Program, ending

CANARY = "heron-over-the-weir"
# A collector that is gone costs the stop one export's time, and the machine may be busy.
STOP_SECONDS_MAX = 8.0

pytest.importorskip(
    "opentelemetry.exporter.otlp.proto.http.trace_exporter",
    reason="the extra `otel` is not installed",
)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


async def test_a_collector_gets_the_spans_and_nothing_private(
    built_models: Path, tmp_path: Path, collector: Collector
) -> None:
    program = Program(tmp_path, models=built_models, otlp_url=collector.url)
    async with ending(program):
        await program.start()
        async with signed_up(program, CANARY) as person:
            document = await person.ready(f"The {CANARY} is all there is.", title=CANARY)
            found = await person.http.post("/v1/search", json={"query": CANARY})
            assert found.json()["items"]
            await person.http.get(f"/v1/documents?title={CANARY}")
        assert (await program.stop())[0] == 0
    assert {path for path, _ in collector.sent} == {"/v1/traces"}
    sent = b"".join(body for _, body in collector.sent)
    for told in (b"POST /v1/search", b"release_gate", b"job index_version", b"strongroom"):
        assert told in sent
    for private in (CANARY, document["id"], person.id, person.email):
        assert private.encode() not in sent


async def test_a_collector_that_is_gone_holds_nothing_up(
    built_models: Path, tmp_path: Path
) -> None:
    with socket.socket() as nobody:  # bound and not listening: connections are refused
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        program = Program(tmp_path, models=built_models, otlp_url=url)
        async with ending(program):
            await program.start()
            async with program.client() as http:
                assert (await http.get("/health/live")).status_code == 200
            exit_status, seconds = await program.stop()
    assert exit_status == 0
    assert seconds < STOP_SECONDS_MAX
