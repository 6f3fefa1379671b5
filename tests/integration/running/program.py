"""Strongroom as its users start it: a process of its own, reached through its socket alone."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
import psutil

PROGRAM = Path(sys.executable).with_name("strongroom")
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 20.0
COMMAND_SECONDS_MAX = 40.0

_READY = re.compile(r"ready on (http://\S+)")
_SEALED = re.compile(r"sealed on (http://\S+)")


TRUST = ssl.create_default_context()
"""Every client would read all certificates anew, which takes 30 ms of the processor."""


class Program:
    """One `strongroom serve` over one data directory; it can be started again after it ended.

    It listens on a free port of its own choice. What it says on stdout and stderr, over all its
    starts, is in `said`.
    """

    def __init__(self, directory: Path, *, models: Path | None = None, **settings: object) -> None:
        """`models` is where built models are shared; None: it builds its own."""
        self.data_dir = directory / "data"
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if models is not None:
            (self.data_dir / "models").symlink_to(models, target_is_directory=True)
        self.settings: dict[str, object] = {
            "data_dir": self.data_dir,
            "port": 0,
            "sign_up_rate_per_address": "100000/minute",
            "sign_in_rate_per_address": "100000/minute",
            "redeem_rate_per_address": "100000/minute",
            "question_rate_per_person": "100000/minute",
            **settings,
        }
        self.url = ""
        self._directory = directory
        self._output = directory / "output"
        self._said_before = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def exit_status(self) -> int | None:
        assert self._process is not None
        return self._process.poll()

    @property
    def has_announced(self) -> bool:
        """Whether it has said that it is ready since its last start."""
        return self._announced() is not None

    @property
    def said(self) -> str:
        return self._output.read_text(errors="replace")

    @property
    def postgres_pid(self) -> int:
        found = (self.data_dir / "postgres" / "data" / "postmaster.pid").read_text()
        return int(found.split("\n", 1)[0])

    @property
    def socket_directory(self) -> Path:
        return self.data_dir / "postgres" / "socket"

    @property
    def database_url(self) -> str:
        """The embedded database, as its superuser."""
        return self.database_url_of("postgres")

    def database_url_of(self, name: str) -> str:
        return f"postgresql:///{name}?host={self.socket_directory}&user=postgres"

    def spawn(self) -> None:
        """Start it, and do not wait."""
        self._said_before = self._output.stat().st_size if self._output.exists() else 0
        with self._output.open("ab") as output:
            self._process = subprocess.Popen(
                [PROGRAM, "serve"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._directory,
                env=environment(self.settings),
            )

    async def until_ready(self) -> float:
        """Seconds until it accepted requests, from now."""
        began = time.monotonic()
        while time.monotonic() - began < START_SECONDS_MAX:
            if (url := self._announced()) is not None:
                self.url = url
                return time.monotonic() - began
            assert self.exit_status is None, f"it ended with {self.exit_status}:\n{self.said}"
            await asyncio.sleep(0.02)
        raise AssertionError(f"not ready after {START_SECONDS_MAX:.0f} s:\n{self.said}")

    async def until_sealed(self) -> None:
        """Until it says, since its last start, that the restore fence is closed."""
        async with asyncio.timeout(START_SECONDS_MAX):
            while (found := _SEALED.search(self._said_since_start())) is None:
                assert self.exit_status is None, f"it ended with {self.exit_status}:\n{self.said}"
                await asyncio.sleep(0.02)
        self.url = found[1]

    async def start(self) -> float:
        self.spawn()
        return await self.until_ready()

    async def running(self, **settings: object) -> None:
        """Have it run with these settings beside those it had, whatever happened before."""
        changed = not settings.items() <= self.settings.items()
        self.settings.update(settings)
        if self.is_running and changed:
            await self.stop()
        if not self.is_running:
            await self.start()

    async def ended(self, *, within_seconds: float = STOP_SECONDS_MAX) -> int:
        """Its exit status."""
        assert self._process is not None
        return await asyncio.to_thread(self._process.wait, within_seconds)

    async def stop(self, sign: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """The exit status, and the seconds that the stop took."""
        began = time.monotonic()
        os.kill(self.pid, sign)
        return await self.ended(), time.monotonic() - began

    async def kill(self) -> None:
        """As a crash or an impatient operator would: nothing of it gets to tidy up."""
        os.kill(self.pid, signal.SIGKILL)
        await self.ended()

    def _announced(self) -> str | None:
        found = _READY.search(self._said_since_start())
        return found[1] if found else None

    def _said_since_start(self) -> str:
        with self._output.open("rb") as output:
            output.seek(self._said_before)
            return output.read().decode(errors="replace")

    def descendants(self) -> list[psutil.Process]:
        """Every process that it started, with those that they started."""
        return psutil.Process(self.pid).children(recursive=True)

    def client(self, **options: object) -> httpx2.AsyncClient:
        """A client with nobody signed in."""
        options = {"base_url": self.url, "timeout": 30, "verify": TRUST} | options
        return httpx2.AsyncClient(**options)  # type: ignore[arg-type]


@asynccontextmanager
async def ending(program: Program) -> AsyncIterator[Program]:
    """Leaves no process behind, whatever the test did and however it ended."""
    try:
        yield program
    finally:
        if program.is_running:
            os.kill(program.pid, signal.SIGTERM)
            try:
                await program.ended()
            except subprocess.TimeoutExpired:
                await program.kill()


def environment(settings: dict[str, object]) -> dict[str, str]:
    """Of our own environment only what has nothing to do with Strongroom."""
    kept = {name: value for name, value in os.environ.items() if not _is_ours(name)}
    return kept | {f"STRONGROOM_{name.upper()}": str(value) for name, value in settings.items()}


async def command(*arguments: str, directory: Path, **settings: object) -> tuple[int, str, float]:
    """Run `strongroom ARGUMENTS` to its end: exit status, all it said, seconds it took."""
    began = time.monotonic()

    def run() -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [PROGRAM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=directory,
            env=environment(settings),
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )

    done = await asyncio.to_thread(run)
    return done.returncode, done.stdout.decode(errors="replace"), time.monotonic() - began


async def until_gone(processes: list[psutil.Process], *, seconds: float = 5.0) -> list[str]:
    """The command lines of those that are still there after the time is over."""
    _, alive = await asyncio.to_thread(psutil.wait_procs, processes, timeout=seconds)
    return [" ".join(process.cmdline()) for process in alive if process.is_running()]


def _is_ours(name: str) -> bool:
    return name.startswith(("STRONGROOM_", "COV_", "PYTEST_"))
