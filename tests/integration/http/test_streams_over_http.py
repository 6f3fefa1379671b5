"""Open streams: what readers see, and what ends a stream."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Stream
from structlog.testing import capture_logs

from domain.errors import NotFound
from entrypoints.http.access import PUBLIC
from entrypoints.http.drain import Drain
from entrypoints.http.sse import sse_frame
from entrypoints.http.streams import StreamLimits, open_stream

LIMITS = StreamLimits(heartbeat_seconds=0.2, write_seconds_max=0.4, first_frame_seconds_max=0.3)
ended: list[str] = []


async def count(to: int, *, pause: float = 0.0, name: str = "") -> AsyncGenerator[bytes, None]:
    try:
        for number in range(1, to + 1):
            yield sse_frame({"n": number}, event="tick", number=number)
            if pause:
                await asyncio.sleep(pause)
    finally:
        await asyncio.sleep(0.01)  # a finally may wait: it is not cancelled again
        ended.append(name)


async def refused() -> AsyncGenerator[bytes, None]:
    await asyncio.sleep(0.01)
    if KINDS:
        raise NotFound
    yield b""


async def silent() -> AsyncGenerator[bytes, None]:
    await asyncio.sleep(0.9)
    yield sse_frame("late", number=1)


async def broken() -> AsyncGenerator[bytes, None]:
    yield sse_frame("fine", number=1)
    raise RuntimeError("the diagnosis is in this message")


async def huge() -> AsyncGenerator[bytes, None]:
    try:
        while True:
            yield sse_frame("x" * 60_000)
    finally:
        ended.append("huge")


async def busy() -> AsyncGenerator[bytes, None]:
    while True:
        yield b""


KINDS = {
    "three": lambda: count(3, name="three"),
    "slow": lambda: count(1000, pause=0.05, name="slow"),
    "idle": lambda: count(2, pause=60, name="idle"),
    "many": lambda: count(20_000, name="many"),
    "refused": refused,
    "silent": silent,
    "broken": broken,
    "huge": huge,
    "busy": busy,
}


@get("/stream", opt=PUBLIC, media_type="text/event-stream")
async def stream(kind: FromQuery[str], drain: NamedDependency[Drain]) -> Stream:
    return await open_stream(KINDS[kind](), drain=drain, limits=LIMITS, retry_milliseconds=500)


@pytest.fixture(scope="module")
async def running(serve: Any) -> AsyncIterator[Any]:
    async with serve(stream) as running:
        yield running


async def read(running: Any, kind: str, *, seconds: float) -> bytes:
    """What arrives within so many seconds, before the client leaves."""
    content = b""
    try:
        async with (
            asyncio.timeout(seconds),
            running.client.stream("GET", "/stream", params={"kind": kind}) as response,
        ):
            async for piece in response.aiter_bytes():
                content += piece
    except TimeoutError:
        pass
    return content


async def test_a_stream_is_framed_and_headed_as_event_sources_expect(running: Any) -> None:
    response = await running.client.get("/stream", params={"kind": "three"})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-cache, no-transform"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-request-id"]
    assert response.text == "retry: 500\n\n" + "".join(
        f'id: {n}\nevent: tick\ndata: {{"n":{n}}}\n\n' for n in (1, 2, 3)
    )
    assert ended == ["three"]


async def test_a_refusal_before_the_first_frame_is_a_proper_status(running: Any) -> None:
    response = await running.client.get("/stream", params={"kind": "refused"})
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


async def test_nothing_is_lost_between_a_fast_source_and_a_reader(running: Any) -> None:
    response = await running.client.get("/stream", params={"kind": "many"})
    numbers = re.findall(r"^id: (\d+)$", response.text, re.MULTILINE)
    assert numbers == [str(n) for n in range(1, 20_001)]


async def test_an_idle_stream_is_kept_warm(running: Any) -> None:
    content = await read(running, "idle", seconds=0.9)
    assert content.count(b"id: ") == 1
    assert 3 <= content.count(b":\n\n") <= 4


async def test_a_busy_stream_has_no_heartbeats(running: Any) -> None:
    assert b"\n:\n" not in await read(running, "slow", seconds=0.6)


async def test_the_status_does_not_wait_for_a_first_frame_that_is_late(running: Any) -> None:
    started = time.monotonic()
    async with running.client.stream("GET", "/stream", params={"kind": "silent"}) as response:
        assert response.status_code == 200
        assert time.monotonic() - started < 0.6
        assert (await response.aread()).endswith(b'id: 1\ndata: "late"\n\n')


async def test_a_client_that_leaves_ends_the_generator_promptly(running: Any) -> None:
    ended.clear()
    await read(running, "idle", seconds=0.1)
    await running.until(lambda: ended == ["idle"], seconds=0.5)
    assert running.drain.watching == 0


async def test_a_failure_midway_cuts_the_connection_and_logs_no_content(running: Any) -> None:
    with capture_logs() as logs:
        answer = await running.raw(b"GET /stream?kind=broken HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b'"fine"' in answer
    assert not answer.endswith(b"0\r\n\r\n")
    assert "request_failed" in [entry["event"] for entry in logs]
    assert "diagnosis" not in repr(logs)


async def test_a_reader_that_does_not_read_is_cut_off_and_hurts_nobody(running: Any) -> None:
    ended.clear()
    with capture_logs() as logs:
        _, writer = await asyncio.open_connection("127.0.0.1", running.port, limit=1024)
        writer.write(b"GET /stream?kind=huge HTTP/1.1\r\nHost: x\r\n\r\n")
        started = time.monotonic()
        neighbour = await running.client.get("/stream", params={"kind": "three"})
        assert neighbour.text.count("id: ") == 3
        tasks = running.server.server_state.tasks
        await running.until(lambda: "huge" in ended and not tasks)
        assert time.monotonic() - started < 2
        writer.close()
    assert "stream_reader_too_slow" in [entry["event"] for entry in logs]
    assert "request_failed" not in [entry["event"] for entry in logs]


async def test_a_generator_that_never_waits_does_not_stop_the_others(running: Any) -> None:
    busy = asyncio.create_task(read(running, "busy", seconds=1.0))
    await asyncio.sleep(0.1)
    async with asyncio.timeout(0.5):
        assert (await running.client.get("/stream?kind=three")).status_code == 200
    await busy


async def test_drain_ends_idle_streams_cleanly_and_the_server_within_a_second(serve: Any) -> None:
    ended.clear()
    async with serve(stream) as running:
        readers = [asyncio.create_task(read(running, "idle", seconds=5)) for _ in range(20)]
        await running.until(lambda: running.drain.watching == 20)
        await asyncio.sleep(0.1)
        started = time.monotonic()
        running.server.should_exit = True
        contents = await asyncio.gather(*readers)  # a read that was cut would raise
        assert all(b"id: 1\n" in content for content in contents)
        await running.until(lambda: not running.server.server_state.tasks)
        assert time.monotonic() - started < 1.0
        assert len(ended) == 20


async def test_no_stream_opens_while_the_server_drains(serve: Any) -> None:
    async with serve(stream) as running:
        running.drain.begin()
        response = await running.client.get("/stream", params={"kind": "silent"})
        assert (response.status_code, response.headers["retry-after"]) == (503, "1")
