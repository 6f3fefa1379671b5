"""The server itself: its limits, its refusals before there is a request, and how it stops."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from litestar import get

from entrypoints.http.access import PUBLIC
from entrypoints.http.connection import ConnectionLimits

SOURCE = Path(__file__).parents[3] / "src"


@get("/quick", opt=PUBLIC)
async def quick() -> dict[str, str]:
    return {}


@get("/slow", opt=PUBLIC)
async def slow() -> dict[str, str]:
    await asyncio.sleep(0.4)
    return {}


def problem(answer: bytes) -> tuple[int, str]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    read = json.loads(body)
    assert head.startswith(b"HTTP/1.1 %d " % read["status"])
    return read["status"], read["code"]


LIMITS = ConnectionLimits(url_bytes_max=1000, head_bytes_max=4000, head_seconds_max=0.3)


async def test_heads_are_bounded_however_they_arrive(serve: Any) -> None:
    async with serve(quick, limits=LIMITS) as running:
        for request, expected in (
            (
                b"GET /" + b"a" * 1001 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                (414, "uri_too_long"),
            ),
            (b"GET /?" + b"a" * 100_000, (414, "uri_too_long")),
            (
                b"GET /quick HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 4000 + b"\r\n\r\n",
                (431, "request_header_fields_too_large"),
            ),
            (
                b"GET /quick HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 1000,
                (431, "request_header_fields_too_large"),
            ),
            (
                b"GET /quick HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 200_000,
                (431, "request_header_fields_too_large"),
            ),
            (b"nonsense\r\n\r\n", (400, "bad_request")),
            (b"GET /quick HTTP/1.1\r\nHost: x\r\nX: sl", (408, "request_timeout")),
            (b"", (408, "request_timeout")),
        ):
            assert problem(await running.raw(request)) == expected


async def test_a_head_that_trickles_in_is_cut_off(serve: Any) -> None:
    async with serve(quick, limits=LIMITS) as running:
        reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
        started = time.monotonic()
        for byte in b"GET /quick HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 1000:
            writer.write(bytes([byte]))
            await asyncio.sleep(0.02)
            if reader.at_eof() or time.monotonic() - started > 2:
                break
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await reader.read(1000)
        writer.close()
        assert time.monotonic() - started < 1.5


async def test_a_slow_answer_and_a_kept_connection_outlive_the_time_for_heads(serve: Any) -> None:
    async with serve(quick, slow, limits=LIMITS) as running:
        for _ in range(2):
            assert (await running.client.get("/slow")).status_code == 200
        await asyncio.sleep(0.5)
        assert (await running.client.get("/quick")).status_code == 200
        assert len(running.server.server_state.connections) == 1


async def test_requests_over_the_limit_are_told_to_come_back(serve: Any) -> None:
    async with serve(quick, slow, limits=ConnectionLimits(requests_max=2)) as running:
        answers = await asyncio.gather(*(running.client.get("/slow") for _ in range(6)))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200, 200, 503, 503, 503, 503]
        shed = next(answer for answer in answers if answer.status_code == 503)
        assert shed.json()["code"] == "service_unavailable"
        assert shed.headers["retry-after"] == "1"
        assert (await running.client.get("/quick")).status_code == 200


async def test_two_requests_on_one_connection_have_names_of_their_own(serve: Any) -> None:
    async with serve(quick) as running:
        request = b"GET /quick HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /quick HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        answer = await running.raw(request + request + last)
        names = {line for line in answer.split(b"\r\n") if line.startswith(b"x-request-id: ")}
        assert answer.count(b"HTTP/1.1 200 OK") == 3
        assert len(names) == 3


PROGRAM = """
import asyncio, uvloop
from litestar import get
from litestar.di import NamedDependency
from litestar.response import Stream
from entrypoints.http.access import PUBLIC
from entrypoints.http.app_kit import application
from entrypoints.http.drain import Drain
from entrypoints.http.server import DrainAwareServer, ServerSettings
from entrypoints.http.streams import open_stream

async def frames():
    yield b"data: 1\\n\\n"
    await asyncio.sleep(60)

@get("/stream", opt=PUBLIC)
async def stream(drain: NamedDependency[Drain]) -> Stream:
    return await open_stream(frames(), drain=drain)

@get("/stuck", opt=PUBLIC)
async def stuck() -> None:
    print("stuck", flush=True)
    await asyncio.sleep(60)

drain = Drain()
app = application(route_handlers=[stream, stuck], version="1", drain=drain)
server = DrainAwareServer(app, ServerSettings(port=0, drain_seconds_max=30), drain)

async def tell():
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.port, flush=True)

async def main():
    telling = asyncio.create_task(tell())
    await server.serve()
    await telling
    print("stopped", flush=True)

with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as in production
    runner.run(main())
"""


async def start() -> tuple[asyncio.subprocess.Process, int]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        PROGRAM,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        while not (line := await process.stdout.readline()).strip().isdigit():
            assert line, "the server did not start"
    return process, int(line)


Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def ask(port: int, path: bytes) -> Opened:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_streams_and_the_process_within_a_second(sent: signal.Signals) -> None:
    process, port = await start()
    opened = [await ask(port, b"/stream") for _ in range(5)]
    for reader, _ in opened:
        await reader.readuntil(b"data: 1\n\n")
    started = time.monotonic()
    process.send_signal(sent)
    for reader, _ in opened:
        assert (await reader.read()).endswith(b"0\r\n\r\n")
    assert time.monotonic() - started < 0.5
    out, _ = await process.communicate()
    for _, writer in opened:
        writer.close()
    assert time.monotonic() - started < 1.5  # an interpreter takes its time to exit, too
    assert process.returncode == 0
    assert out.endswith(b"stopped\n")


async def test_a_second_ctrl_c_does_not_wait_for_anything() -> None:
    process, port = await start()
    reader, writer = await ask(port, b"/stuck")
    assert process.stdout is not None
    while b"stuck" not in await process.stdout.readline():
        pass
    process.send_signal(signal.SIGINT)
    await asyncio.sleep(0.5)
    assert process.returncode is None
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    out, _ = await process.communicate()
    assert time.monotonic() - started < 1.5
    assert out.endswith(b"stopped\n")
