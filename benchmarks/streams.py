"""Thousands of answers streaming at once: loss, memory of each, time added to a token.

    python -m benchmarks streams [--streams N] [--rounds N] [--without-hayhooks]

Ours is the whole path: authenticated, sealed, committed before anybody sees it, resumable. Beside
it, on the same machine in the same run, a bare ASGI function on the same server, and Hayhooks, from
PyPI, in an environment of its own. Readers are processes of their own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import venv
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from benchmarks.measure import Figures, Goal, Side, by_turns, percentile, report
from benchmarks.servers import ROOT, Server, free_port, serving, strongroom
from benchmarks.stamps import PAUSE_SECONDS, TOKENS

STREAMS = 5_000
READERS = 2
ROUNDS = 3
HAYHOOKS = "hayhooks"
PASSWORD = "a quiet lake under seven hills"
OURS, BARE, PEER = "strongroom", "bare ASGI", "hayhooks"
OPEN_SECONDS_MAX = 1_200
AT_ONCE = 16
TRIES_MAX = 60
SETTINGS = {
    "runs_at_once": "10000",
    "model_first_token_seconds_max": "3600",
    "run_seconds_max": "3600",
    "access_token_seconds": "3600",
    "question_rate_per_person": "1000000/minute",
    "guardrails": "none",
    "log_level": "error",
}
NOTES = (
    f"Each stream says {TOKENS} tokens, one every {PAUSE_SECONDS:g} s, at a moment of its own.",
    "Every stream was open before the first token, and every token was counted in its order.",
    "Added time is from the model's token to the reader's socket, by one clock of the machine.",
    "Servers, readers and PostgreSQL share the machine: the readers' time is in every figure.",
    "Memory is that of the server process alone, before and with all streams open.",
)


async def measure(streams: int, rounds: int, *, with_hayhooks: bool) -> None:
    _allow_files(streams * 2 + 500)
    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as scratch:
        beside = Path(scratch)
        async with AsyncExitStack() as stack:
            sides: dict[str, Side] = {}
            command = (sys.executable, "-m", "benchmarks.with_stamps", "serve")
            ours = await stack.enter_async_context(
                strongroom(beside / "ours", command=command, settings=SETTINGS)
            )
            sides[OURS] = _side(ours, await _questions(ours, streams))
            bare = await stack.enter_async_context(_bare())
            get = "GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
            sides[BARE] = _side(bare, lambda: [get] * streams)
            notes = [*NOTES]
            if with_hayhooks and (program := _hayhooks_in(beside / "hayhooks")) is not None:
                peer = await stack.enter_async_context(_hayhooks(program, beside))
                sides[PEER] = _side(peer, lambda: [_completion()] * streams)
            else:
                notes.append("Hayhooks could not be installed here, or was left out.")
            measured = await by_turns("streams", sides, rounds=rounds, rounds_min=1)
    goals = [
        Goal(figure="tokens_lost", side=OURS, at_most=0),
        Goal(figure="stream_kb", side=OURS, at_most=20),
    ]
    others = [each for each in sides if each != OURS]
    report(measured, goals=goals, ratios=[(OURS, each) for each in others], notes=notes)


def _side(server: Server, asked: Callable[[], Sequence[str]]) -> Side:
    async def side() -> Figures:
        requests = asked()
        async with AsyncExitStack() as stack:
            before = server.resident_mb()
            shares = [requests[number::READERS] for number in range(READERS)]
            readers = [await stack.enter_async_context(_readers(server, each)) for each in shares]
            async with asyncio.timeout(OPEN_SECONDS_MAX):
                opened = [json.loads((await _line(each)).split()[1]) for each in readers]
            assert sum(opened) == len(requests), opened
            await asyncio.sleep(2 * PAUSE_SECONDS)
            held = server.resident_mb()
            busy = server.process.cpu_times()
            server.process.send_signal(signal.SIGUSR1)
            told = [json.loads(await _line(each)) for each in readers]
            spent = server.process.cpu_times()
        late = [value for each in told for value in each["late_ms"]]
        assert late, told
        return {
            "tokens_lost": float(sum(each["lost"] for each in told)),
            "streams_out_of_order_or_unended": float(
                sum(each["wrong"] + each["unended"] for each in told)
            ),
            "stream_kb": max(0.0, held - before) * 1024 / len(requests),
            "added_p50_ms": percentile(late, 50),
            "added_p99_ms": percentile(late, 99),
            "server_cpu_us_per_token": (
                (spent.user + spent.system - busy.user - busy.system) * 1e6 / len(late)
            ),
        }

    return side


@asynccontextmanager
async def _readers(
    server: Server, requests: Sequence[str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.stream_readers",
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=2**28,
    )
    try:
        assert process.stdin is not None
        told = json.dumps({"port": server.port, "requests": list(requests)})
        process.stdin.write(told.encode() + b"\n")
        await process.stdin.drain()
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line, "the readers ended without a word"
    return line


async def _questions(server: Server, streams: int) -> Callable[[], Sequence[str]]:
    """Requests that ask, each in a conversation of its own; one that is repeated asks once."""
    who = {"email": f"{uuid4()}@example.org", "password": PASSWORD}
    async with httpx2.AsyncClient(base_url=server.url, timeout=120) as http:
        (await http.post("/v1/accounts", json={**who, "display_name": "Asha"})).raise_for_status()
        session = (await http.post("/v1/sessions", json=who)).raise_for_status()
        bearer = f"Bearer {session.json()['access_token']}"
        http.headers["Authorization"] = bearer
        turns = asyncio.Semaphore(AT_ONCE)

        async def begun() -> str:
            async with turns:
                for _ in range(TRIES_MAX):
                    made = await http.post("/v1/conversations", json={})
                    if made.status_code != 503:  # else the machine has more to do than it can
                        break
                    await asyncio.sleep(1.0)
                return str(made.raise_for_status().json()["id"])

        conversations = await asyncio.gather(*(begun() for _ in range(streams)))

    def asked() -> Sequence[str]:
        more = {"Authorization": bearer, "Accept": "text/event-stream"}
        return [
            _post(
                f"/v1/conversations/{each}/messages",
                {"content": "What is new?"},
                more | {"Idempotency-Key": uuid4().hex},
            )
            for each in conversations
        ]

    return asked


def _completion() -> str:
    asked = {
        "model": "stamping",
        "messages": [{"role": "user", "content": "What is new?"}],
        "stream": True,
    }
    return _post("/v1/chat/completions", asked, {})


def _post(path: str, body: Any, more: Mapping[str, str]) -> str:
    encoded = json.dumps(body)
    heads = {
        "Host": "127.0.0.1",
        "Content-Type": "application/json",
        "Content-Length": str(len(encoded)),
        **more,
    }
    lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in heads.items())]
    return "\r\n".join([*lines, "", encoded])


@asynccontextmanager
async def _bare() -> AsyncIterator[Server]:
    port = free_port()
    command = (sys.executable, "-m", "benchmarks.bare_stream", str(port))
    async with serving(command, {}, port) as server:
        yield server


@asynccontextmanager
async def _hayhooks(program: Path, scratch: Path) -> AsyncIterator[Server]:
    """It sees our pipeline and the tokens, and nothing else of ours."""
    pipelines = ROOT / "benchmarks" / "hayhooks_pipelines"
    seen = scratch / "seen"
    seen.mkdir()
    shutil.copy(ROOT / "benchmarks" / "stamps.py", seen)
    port = free_port()
    command = (str(program), "run", "--host", "127.0.0.1", "--port", str(port))
    settings = {
        "HAYHOOKS_PIPELINES_DIR": str(pipelines),
        "PYTHONPATH": str(seen),
        "HAYSTACK_TELEMETRY_ENABLED": "false",
        "LOG": "ERROR",
    }
    async with serving(command, settings, port, path="/status") as server:
        yield server


def _hayhooks_in(place: Path) -> Path | None:
    """The program, in an environment of its own; None where it cannot be had."""
    given = os.environ.get("STREAMS_HAYHOOKS")
    if given:
        return Path(given)
    venv.create(place, with_pip=True)
    install = [place / "bin" / "python", "-m", "pip", "install", "--quiet", HAYHOOKS]
    if subprocess.run(install, check=False).returncode:
        return None
    return place / "bin" / "hayhooks"


def _allow_files(count: int) -> None:
    """For this process and those that it starts: each stream is a socket at both of its ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        raise SystemExit(f"This machine allows {hard} open files; {count} are needed.")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--streams", type=int, default=STREAMS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--without-hayhooks", action="store_true")
    given = parser.parse_args(arguments)
    asyncio.run(measure(given.streams, given.rounds, with_hayhooks=not given.without_hayhooks))


if __name__ == "__main__":
    main()
