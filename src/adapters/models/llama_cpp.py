"""A model that runs here: GGUF weights in a process of its own, asked as any other server is.

What goes wrong in native code ends that process and not the service; the next question starts
another one. The process is given no environment, and no way to reach it but a socket file in a
private directory, and a key that is made anew each time.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from adapters.models.llama_cpp_child import READY
from adapters.models.openai_compatible import OpenAICompatibleModel, model_client
from application.chat.language_model import ModelBrokeOff, ModelLimits, ModelUnavailable, Piece
from domain.chat.prompt import Prompt

START_SECONDS_MAX = 120.0
END_SECONDS_MAX = 5.0
DEATH_SECONDS_MAX = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What is run, and on how much of this machine.

    Each answer has a context of `context_tokens`, prompt and answer together; `parallel` answers
    are written at a time, and others wait. More threads than idle cores make it slower.
    """

    file: Path
    threads: int = 1
    context_tokens: int = 4096
    parallel: int = 1


@dataclass(slots=True, kw_only=True)
class LlamaCppModel:
    """`LanguageModel`. The process starts with the first question: what it costs is waited for
    there, and by nobody who does not use it. Belongs to one event loop."""

    name: str
    weights: Weights
    marks_sources: bool = True
    is_metered: bool = True
    _running: _Running | None = field(default=None, init=False)
    _starting: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    @property
    def pid(self) -> int | None:
        """Of the process, where there is one."""
        return None if self._running is None else self._running.process.pid

    async def stream(self, prompt: Prompt, limits: ModelLimits) -> AsyncGenerator[Piece, None]:
        running = await self._started()
        try:
            async with contextlib.aclosing(running.model.stream(prompt, limits)) as pieces:
                async for piece in pieces:
                    yield piece
        except (ModelUnavailable, ModelBrokeOff):
            # Where it has died, it is known as dead to whoever asks next.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DEATH_SECONDS_MAX):
                    await running.process.wait()
            raise

    async def close(self) -> None:
        async with self._starting:
            if self._running is not None:
                await self._running.end()
                self._running = None

    async def _started(self) -> _Running:
        async with self._starting:
            if self._running is not None and self._running.process.returncode is None:
                return self._running
            if self._running is not None:
                await self._running.end()
                self._running = None
            self._running = await _start(self.name, self.weights)
            return self._running


@dataclass(slots=True, kw_only=True)
class _Running:
    process: asyncio.subprocess.Process
    directory: Path
    model: OpenAICompatibleModel

    async def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_SECONDS_MAX):
                await self.process.wait()
        await self.model.close()
        shutil.rmtree(self.directory, ignore_errors=True)


async def _start(name: str, weights: Weights) -> _Running:
    """Raises ModelUnavailable where it does not come up; then nothing of it is left."""
    directory = Path(tempfile.mkdtemp(prefix="strongroom-model-"))  # of mode 0700
    socket, key = directory / "socket.sock", secrets.token_urlsafe(32)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-I", "-B", "-m", "adapters.models.llama_cpp_child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8"},
        cwd="/",
        start_new_session=True,
    )
    running = _Running(
        process=process,
        directory=directory,
        model=OpenAICompatibleModel(
            name=name,
            base_url="http://model/v1",
            model=name,
            key=key,
            client=model_client(httpx2.AsyncHTTPTransport(uds=str(socket))),
        ),
    )
    told = {
        "file": str(weights.file),
        "socket": str(socket),
        "key": key,
        "threads": weights.threads,
        "context_tokens": weights.context_tokens,
        "parallel": weights.parallel,
    }
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(told).encode() + b"\n")
        async with asyncio.timeout(START_SECONDS_MAX):
            ready = await process.stdout.readline()
        if ready != READY:
            raise ModelUnavailable("The language model could not be started here.")
    except BaseException as error:
        await asyncio.shield(running.end())
        if isinstance(error, TimeoutError | OSError):
            raise ModelUnavailable("The language model could not be started here.") from None
        raise
    return running
