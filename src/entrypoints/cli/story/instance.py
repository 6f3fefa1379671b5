"""A Strongroom of its own: a real server process on an empty directory, gone afterwards."""

from __future__ import annotations

import asyncio
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2

from entrypoints.settings import PREFIX, Settings

START_SECONDS_MAX = 180.0
STOP_SECONDS_MAX = 30.0
LOG_LINES_SHOWN = 30
WORDS_PER_SECOND = 14
WORDS_PER_SECOND_FAST = 35


class InstanceDidNotStart(Exception):
    """The server ended, or was not ready in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """Where it answers, and where it keeps its things."""

    url: str
    home: Path

    def end_of_log(self) -> str:
        lines = (self.home / "server.log").read_text(errors="replace").splitlines()
        return "\n".join(lines[-LOG_LINES_SHOWN:])


@asynccontextmanager
async def fresh_instance(*, fast: bool) -> AsyncIterator[Instance]:
    """A server that is starting; whatever happens, it is ended and its directory removed."""
    with TemporaryDirectory(prefix="strongroom-demo-") as directory:
        home, port = Path(directory), _free_port()
        _reuse_model(home / "models")
        instance = Instance(url=f"http://127.0.0.1:{port}", home=home)
        own = {
            "data_dir": str(home),
            "port": str(port),
            "public_url": instance.url,
            "drain_seconds_max": "2",
            "extractive_words_per_second": str(WORDS_PER_SECOND_FAST if fast else WORDS_PER_SECOND),
        }
        with (home / "server.log").open("wb") as log:
            server = subprocess.Popen(  # noqa: ASYNC220 - returns at once
                [sys.executable, "-m", "entrypoints.cli.main", "serve"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=home,  # away from the reader's strongroom.toml
                env=_environment(own),
                start_new_session=True,  # Ctrl-C is for us: we end the server when we are done
                preexec_fn=_end_with_parent,
            )
        try:
            instance.server = server
            yield instance
        finally:
            await asyncio.shield(_end(server))
