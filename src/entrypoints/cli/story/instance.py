"""A Strongroom of its own: a real server process on an empty directory, gone afterwards."""

from __future__ import annotations

import asyncio
import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import Any

import httpx2

from entrypoints.settings import PREFIX, Settings

START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 30.0
POLL_SECONDS = 0.1
LOG_LINES_SHOWN = 15
BARE_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}


class InstanceDidNotStart(Exception):
    """The server ended, or was not ready in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Where the server answers, where it keeps its things, and its process."""

    url: str
    home: Path
    server: subprocess.Popen[bytes]

    async def until_ready(self, report: Callable[[str], None]) -> None:
        """Tells `report` what the server says meanwhile. Raises InstanceDidNotStart."""
        deadline = time.monotonic() + START_SECONDS_MAX
        async with httpx2.AsyncClient(base_url=self.url, trust_env=False) as client:
            while time.monotonic() < deadline and self.server.poll() is None:
                try:
                    if (await client.get("/health/ready")).json()["status"] == "ready":
                        return
                except httpx2.TransportError:
                    said = self.end_of_log(1)
                    report(said.removeprefix("strongroom: "))
                await asyncio.sleep(POLL_SECONDS)
        raise InstanceDidNotStart("The server was not ready in time, or ended before that.")

    def end_of_log(self, lines: int = LOG_LINES_SHOWN) -> str:
        return "\n".join(_log(self.home).read_text(errors="replace").splitlines()[-lines:])


@asynccontextmanager
async def fresh_instance(
    name: str, *, models: Path | None = None, **settings: object
) -> AsyncIterator[Instance]:
    """A server that is starting. Whatever happens, it is ended and its directory removed.

    `models` is where a built embedding model may be, by default where `serve` would look.
    """
    with TemporaryDirectory(prefix=f"strongroom-{name}-") as directory:
        home, port = Path(directory), _free_port()
        _reuse_model(models or Settings().data_dir.expanduser() / "models", home / "models")
        url = f"http://127.0.0.1:{port}"
        server = _start(
            home, data_dir=home, port=port, public_url=url, drain_seconds_max=2, **settings
        )
        try:
            yield Instance(url=url, home=home, server=server)
        finally:
            _end(server)


def _start(home: Path, **settings: object) -> subprocess.Popen[bytes]:
    """With these settings and no others, wherever the reader may have made some."""
    variables = {f"{PREFIX}{name.upper()}": _said(value) for name, value in settings.items()}
    with _log(home).open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "entrypoints.cli.main", "serve"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=home,  # and not where a strongroom.toml may be
            env=BARE_ENVIRONMENT | {"TMPDIR": gettempdir()} | variables,
            start_new_session=True,  # Ctrl-C is for us: we end the server when we are done
            preexec_fn=_end_with_parent,
        )


def _end(server: subprocess.Popen[bytes]) -> None:
    """Blocks the loop: nothing else is left to do, and a second Ctrl-C must not skip it."""
    server.terminate()
    try:
        server.wait(STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _end_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _reuse_model(built: Path, models: Path) -> None:
    """Saves building it anew. It holds nothing private, and is checked when it is loaded."""
    models.mkdir()
    for file in (*built.glob("*.onnx"), *built.glob("*.onnx.sha256")):
        shutil.copyfile(file, models / file.name)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _log(home: Path) -> Path:
    return home / "server.log"


def _said(value: Any) -> str:
    """As a variable says it: tables are JSON there."""
    return json.dumps(value) if isinstance(value, dict) else str(value)
