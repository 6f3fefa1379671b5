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


@pytest.mark.parametrize("is_waiting", [True, False])
async def test_a_wake_up_ends_one_wait_whether_it_comes_before_or_during_it(
    signals: PostgresSignals, is_waiting: bool
) -> None:
    with signals.listen("run") as changed, signals.listen("run") as other:
        waiting = asyncio.create_task(changed.wait(60))
        if is_waiting:
            await asyncio.sleep(0)
        signals._on_notify(None, 0, "", "run")
        async with asyncio.timeout(5):
            await waiting
            await other.wait(60)
        again = asyncio.create_task(changed.wait(60))
        _, pending = await asyncio.wait([again], timeout=0.05)
        again.cancel()
        assert pending == {again}


async def test_who_listens_no_more_is_forgotten(signals: PostgresSignals) -> None:
    with signals.listen("run"), signals.listen("run"):
        assert len(signals._listeners["run"]) == 2
    assert "run" not in signals._listeners
