"""Judges records and schemas in processes of their own, whose time and memory are limited."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import structlog

from adapters.json_schema.wire import ANSWER_BYTES_MAX, LENGTH, READY
from application.vault.ports import CheckTooCostly
from domain.errors import Fault, Unavailable
from domain.json_pointer import Json

PROCESSES_MAX = 2
START_SECONDS_MAX = 30.0
WALL_SECONDS_MAX = 10.0
MEMORY_BYTES_MAX = 512 << 20
# Sent by an operator, or by a system short of memory: that may not be the record's doing.
_FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM})
_NOT_NOW = "Records cannot be checked at the moment; nothing was changed."

_log = structlog.get_logger(__name__)


class ProcessSchemaChecker:
    """`SchemaChecker`. A process is started when it is first needed, and anew when it has ended.

    `cpu_seconds_max` limits one check. At most PROCESSES_MAX run; who waits for one, or for its
    answer, longer than WALL_SECONDS_MAX is told that it does not work now.
    """

    def __init__(self, *, cpu_seconds_max: float = 1.0) -> None:
        self._cpu_seconds_max = cpu_seconds_max
        self._turns = asyncio.Semaphore(PROCESSES_MAX)
        self._idle: list[asyncio.subprocess.Process] = []
        self._closed = False

    async def faults_of_schema(self, schema: Mapping[str, Json]) -> Sequence[Fault]:
        return await self._ask([dict(schema)])

    async def faults_of(self, record: Json, schema: Mapping[str, Json]) -> Sequence[Fault]:
        return await self._ask([dict(schema), record])

    async def close(self) -> None:
        """End every process once it is idle; later calls raise Unavailable."""
        self._closed = True
        for _ in range(PROCESSES_MAX):
            await self._turns.acquire()
        while self._idle:
            await _end(self._idle.pop())
        for _ in range(PROCESSES_MAX):
            self._turns.release()

    async def _ask(self, asked: list[Json]) -> Sequence[Fault]:
        question = json.dumps(asked).encode()
        async with self._process() as process:
            try:
                async with asyncio.timeout(WALL_SECONDS_MAX):
                    answer = await _converse(process, question)
            except TimeoutError:
                raise Unavailable(_NOT_NOW) from None
            except (ConnectionError, asyncio.IncompleteReadError):
                status = await process.wait()
                _log.info("schema_checker_ended", status=status)
                if status in _FROM_OUTSIDE:
                    raise Unavailable(_NOT_NOW) from None
                raise CheckTooCostly from None
        return [Fault(pointer, detail) for pointer, detail in json.loads(answer)]

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[asyncio.subprocess.Process]:
        """One that nobody else uses. It is kept only when it was left ready for the next."""
        try:
            async with asyncio.timeout(WALL_SECONDS_MAX):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable(_NOT_NOW) from None
        process: asyncio.subprocess.Process | None = None
        try:
            process = await self._take()
            yield process
            self._idle.append(process)
        except BaseException:
            if process is not None:
                await asyncio.shield(_end(process))
            raise
        finally:
            self._turns.release()

    async def _take(self) -> asyncio.subprocess.Process:
        if self._closed:
            raise Unavailable(_NOT_NOW)
        while self._idle:
            process = self._idle.pop()
            if process.returncode is None:
                return process
        return await self._start()

    async def _start(self) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-I", "-B", "-m", "adapters.json_schema.child"),
            *(str(self._cpu_seconds_max), str(MEMORY_BYTES_MAX)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS_MAX):
                if await process.stdout.readexactly(1) == READY:
                    return process
        except (TimeoutError, asyncio.IncompleteReadError):
            pass
        except BaseException:
            await asyncio.shield(_end(process))
            raise
        await _end(process)
        raise Unavailable(_NOT_NOW)


async def _converse(process: asyncio.subprocess.Process, question: bytes) -> bytes:
    """The answer; the process itself ends when it takes too long."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(LENGTH.pack(len(question)) + question)
    await process.stdin.drain()
    (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
    if length > ANSWER_BYTES_MAX:
        raise ConnectionError
    return await process.stdout.readexactly(length)


async def _end(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
