"""The reaper: every few seconds it ends the runs whose process has gone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from application.chat.fail_abandoned_runs import FailAbandonedRuns
from domain.errors import Unavailable

PAUSE_SECONDS = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaper:
    """Several may run at once: a run is ended by the first one that holds its row."""

    fail_abandoned_runs: FailAbandonedRuns
    pause_seconds: float = PAUSE_SECONDS

    @asynccontextmanager
    async def reaping(self) -> AsyncIterator[None]:
        """Reap beside whatever else this process does."""
        task = asyncio.create_task(self.run(), name="reaper")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def run(self) -> None:
        while True:
            try:
                ended = await self.fail_abandoned_runs()
            except Unavailable:
                log.warning("reaper_without_database")
            else:
                if ended:
                    log.warning("abandoned_runs_ended", runs=ended)
            await asyncio.sleep(self.pause_seconds)
