"""Answers under way when their grant is revoked end at once, on whichever process they are read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from benchmarks.revocation import SETTINGS, seconds_to_the_last_byte
from tests.integration.running.people import signed_up
from tests.integration.running.two_processes import TwoProcesses

# A second is what benchmarks/revocation.py holds us to; other tests share this machine.
END_SECONDS_MAX = 3.0


@pytest.fixture(scope="module")
async def processes(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[TwoProcesses]:
    made = TwoProcesses(places(), models=built_models, **SETTINGS)
    async with made.running():
        yield made


@pytest.mark.parametrize(
    ("runs", "readers"), [(8, 4), pytest.param(100, 10, marks=pytest.mark.long)]
)
async def test_every_reader_is_told_that_access_ended_and_nothing_after_it(
    processes: TwoProcesses, figure: Callable[[str], None], runs: int, readers: int
) -> None:
    async with (
        signed_up(processes.first, "Asha") as asha,
        signed_up(processes.first, "Ben") as ben,
    ):
        urls = [each.url for each in processes.both]
        taken = sorted(
            await seconds_to_the_last_byte(
                urls, asha.http, ben.http, ben.email, runs=runs, readers=readers
            )
        )
    figure(
        f"{len(taken)} streams of {runs} runs on two processes, all ended with access_revoked;"
        f" last byte {taken[len(taken) // 2] * 1000:.0f} ms (p50),"
        f" {taken[len(taken) * 99 // 100] * 1000:.0f} ms (p99), {taken[-1] * 1000:.0f} ms (the"
        " last) after the acknowledgement"
    )
    assert taken[-1] < END_SECONDS_MAX
