"""Two `strongroom serve` on one database that belongs to neither; each of the three may die."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import psutil

from adapters.postgres.embedded import embedded_database
from tests.integration.running.program import Program, ending


class TwoProcesses:
    """`first` and `second` differ in nothing but their port."""

    def __init__(self, directory: Path, *, models: Path, **settings: object) -> None:
        self._data_dir = directory / "data"
        self._database = AsyncExitStack()
        self.first = Program(directory, models=models, **settings)
        other = directory / "second"
        other.mkdir()
        self.second = Program(other, **{**settings, "data_dir": self._data_dir})
        self.database_url = ""

    @property
    def both(self) -> tuple[Program, Program]:
        return self.first, self.second

    def other_than(self, program: Program) -> Program:
        return self.second if program is self.first else self.first

    @asynccontextmanager
    async def running(self) -> AsyncIterator[TwoProcesses]:
        async with AsyncExitStack() as parts:
            parts.push_async_callback(self._stop_database)
            await self._start_database()
            for program in self.both:
                program.settings["database_url"] = self.database_url
                await parts.enter_async_context(ending(program))
            await self.first.start()  # which migrates
            await self.second.start()
            yield self

    async def crash_database(self, *, down_seconds: float = 0.0) -> None:
        """It ends at once, without a word to anybody or a checkpoint, and recovers from its log."""
        pid = int((self._data_dir / "postgres/data/postmaster.pid").read_text().split("\n", 1)[0])
        postgres = psutil.Process(pid)
        postgres.send_signal(signal.SIGQUIT)
        await asyncio.to_thread(psutil.wait_procs, [postgres], timeout=20)
        await self._stop_database()
        await asyncio.sleep(down_seconds)
        await self._start_database()

    async def _start_database(self) -> None:
        self.database_url = await self._database.enter_async_context(
            embedded_database(self._data_dir)
        )

    async def _stop_database(self) -> None:
        await self._database.aclose()


@asynccontextmanager
async def frozen(program: Program) -> AsyncIterator[None]:
    """The process does not move: its clock goes on, its connections stay open."""
    os.kill(program.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(program.pid, signal.SIGCONT)
