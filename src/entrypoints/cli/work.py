"""A worker of its own, beside `serve` processes on the same database."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

from entrypoints.background import beside
from entrypoints.cli.deployment import deployment, indexing
from entrypoints.cli.fence import assert_fence_open
from entrypoints.cli.serve import announcing, worker_of
from entrypoints.cli.steps import say
from entrypoints.logs import configure_logs
from entrypoints.settings import Settings, SettingsError
from entrypoints.telemetry import configure_telemetry
from entrypoints.worker.sweeper import Sweeper


async def work(settings: Settings) -> None:
    """Work until SIGTERM or Ctrl-C, then finish the jobs at hand."""
    if settings.database_url is None:
        raise SettingsError(
            "database_url is not set: the embedded database belongs to `strongroom serve`, "
            "which works on jobs itself. Set STRONGROOM_DATABASE_URL to run workers beside it."
        )
    configure_logs(settings)
    configure_telemetry(settings)
    async with AsyncExitStack() as parts:
        container = await parts.enter_async_context(deployment(settings))
        await assert_fence_open(container)
        await parts.enter_async_context(indexing(container))
        announced = Sweeper(chores={"embedder_announced": announcing(container)}, every_seconds=5)
        await parts.enter_async_context(beside(announced.run(), name="sweeper"))
        worker = worker_of(container, settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, lambda: loop.create_task(worker.stop()))
        say("working")
        await worker.run()
        say("stopping")
