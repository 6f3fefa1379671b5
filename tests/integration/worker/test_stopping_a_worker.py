"""A worker stops when it is told to, also while it is still on its way."""

from __future__ import annotations

import asyncio
import time

from entrypoints.cli.serve import worker_of
from entrypoints.container import Container

STOP_SECONDS_MAX = 5.0


async def test_a_worker_may_be_stopped_at_any_moment_of_its_start(container: Container) -> None:
    for milliseconds in (0, 1, 3, 5, 8, 12, 16, 20, 25, 30, 40, 60, 100):
        worker = worker_of(container, container.settings())
        async with worker.working():
            await asyncio.sleep(milliseconds / 1000)
            began = time.monotonic()
        assert time.monotonic() - began < STOP_SECONDS_MAX, f"after {milliseconds} ms"
