"""Waiting for a wake-up ends by one, in time, or when cancelled, whatever comes together."""

from __future__ import annotations

import asyncio

import pytest

from adapters.postgres.engine import Database
from adapters.postgres.signals import PostgresSignals


@pytest.fixture
def signals() -> PostgresSignals:
    return PostgresSignals(Database.at("postgresql:///nowhere"))


@pytest.mark.parametrize("steps_between", range(8))
async def test_a_cancellation_is_not_lost_to_a_wake_up(
    signals: PostgresSignals, steps_between: int
) -> None:
    async def watch() -> None:
        with signals.listen("run") as changed:
            while True:
                await changed.wait(60)

    task = asyncio.create_task(watch())
    await asyncio.sleep(0)
    signals._on_notify(None, 0, "", "run")
    for _ in range(steps_between):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task], timeout=0.5)
    lost = not task.done()
    task.cancel()
    assert not lost


async def test_it_waits_no_longer_than_it_was_told(signals: PostgresSignals) -> None:
    with signals.listen("run") as changed:
        async with asyncio.timeout(5):
            await changed.wait(0.01)
            signals._on_notify(None, 0, "", "run")
            await changed.wait(60)
