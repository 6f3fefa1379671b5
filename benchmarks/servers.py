"""Server processes, started as their users start them and looked at from outside."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 30.0
# Ours and the peer's poll alike; what polling costs is the same on both sides.
POLL_SECONDS = 0.005

STRONGROOM = (str(Path(sys.executable).with_name("strongroom")), "serve")
WITHOUT_EMBEDDER = (sys.executable, "-m", "benchmarks.without_embedder", "serve")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A process that answers; `start_seconds` from its start to the first 200 of /health/live."""

    process: psutil.Process
    port: int
    start_seconds: float

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def resident_mb(self) -> float:
        """Of the process alone."""
        return float(self.process.memory_info().rss) / 2**20

    def children_mb(self) -> dict[str, float]:
        """By program; pages that several share are divided among them (proportional set size)."""
        found: dict[str, float] = {}
        for child in self.process.children(recursive=True):
            name = child.name()
            found[name] = found.get(name, 0.0) + child.memory_full_info().pss / 2**20
        return found


@asynccontextmanager
async def strongroom(
    data_dir: Path,
    *,
    command: Sequence[str] = STRONGROOM,
    database_url: str | None = None,
    settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Server]:
    """`settings` are those of entrypoints/settings.py, by their names there."""
    port = free_port()
    given = {"data_dir": str(data_dir), "port": str(port), **(settings or {})}
    if database_url is not None:
        given["database_url"] = database_url
    named = {f"STRONGROOM_{name.upper()}": value for name, value in given.items()}
    async with serving(command, named, port) as server:
        yield server


@asynccontextmanager
async def hello_world(data_dir: Path, *, database_url: str | None = None) -> AsyncIterator[Server]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", "benchmarks.hello_world:app", "--no-access-log"]
    settings = {"HELLO_DATA_DIR": str(data_dir)}
    if database_url is not None:
        settings["HELLO_DATABASE_URL"] = database_url
    async with serving([*command, "--port", str(port)], settings, port) as server:
        yield server


@asynccontextmanager
async def serving(
    command: Sequence[str],
    settings: Mapping[str, str],
    port: int,
    *,
    path: str = "/health/live",
) -> AsyncIterator[Server]:
    """Any server that answers 200 at `path` once it is there."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")
    }
    began = time.perf_counter()
    process = subprocess.Popen(  # noqa: ASYNC220
        command,
        cwd=ROOT,
        env={**environment, **settings},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not await _is_live(port, path):
            if process.poll() is not None:
                raise SystemExit(f"{command} ended with {process.returncode}")
            if time.perf_counter() - began > START_SECONDS_MAX:
                raise SystemExit(f"{command} did not answer within {START_SECONDS_MAX:.0f} s")
            await asyncio.sleep(POLL_SECONDS)
        seconds = time.perf_counter() - began
        yield Server(process=psutil.Process(process.pid), port=port, start_seconds=seconds)
    finally:
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, STOP_SECONDS_MAX)


async def _is_live(port: int, path: str) -> bool:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    try:
        asked = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        writer.write(asked.encode())
        return (await reader.readline()).startswith(b"HTTP/1.1 200")
    except OSError:
        return False
    finally:
        writer.close()


def free_port() -> int:
    with socket.socket() as asked:
        asked.bind(("127.0.0.1", 0))
        port: int = asked.getsockname()[1]
        return port
