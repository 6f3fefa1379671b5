"""A live stream cut at every boundary, and within a frame, goes on to the byte, on the other one
of two processes that serve one database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Protocol

import pytest

from tests.integration.running.people import Person, json_of, signed_up
from tests.integration.running.program import Program
from tests.integration.running.raw_streams import ALL, Had, over_socket, over_sse
from tests.integration.running.two_processes import TwoProcesses

FACTS = "".join(
    f"The deposit of flat {number} is {number * 100} euros. " for number in range(1, 7)
).encode()
BOUNDARIES = 60
BOUNDARIES_OF_A_RUN = 10
RUNS_AT_ONCE = 3


class Reading(Protocol):
    """A way to read a run's events; `run_id` as it wants it."""

    def __call__(
        self,
        program: Program,
        token: str,
        run_id: str,
        after: int,
        *,
        frames_max: int,
        within: bool,
    ) -> Awaitable[Had]: ...


@pytest.fixture(scope="module")
async def processes(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[TwoProcesses]:
    made = TwoProcesses(places(), models=built_models, extractive_words_per_second=12)
    async with made.running():
        yield made


async def asked(person: Person) -> tuple[str, str]:
    """The conversation, and its run, which has hardly begun."""
    http = person.http
    chat = json_of(await http.post("/v1/conversations", json={}))["id"]
    question = {"content": "How much is the deposit of each flat?"}
    answer = await http.post(f"/v1/conversations/{chat}/messages", json=question)
    return chat, json_of(answer)["run"]["id"]


async def cut_everywhere(
    processes: TwoProcesses, person: Person, read: Reading, boundaries: range
) -> tuple[int, int, int]:
    """Cut one live run at these boundaries: readings, those that differ, and cuts while it ran."""
    token = person.tokens["access_token"]
    chat, run = await asked(person)
    run_id = f"{chat}/{run}" if read is over_socket else run
    cut_live = 0

    async def state() -> str:
        return str(json_of(await person.http.get(f"/v1/runs/{run}"))["state"])

    async def read_twice(number: int, within: bool) -> list[bytes]:
        """Read on one process up to the cut, and from there on on the other one."""
        nonlocal cut_live
        here = processes.both[number % 2]
        had = await read(here, token, run_id, 0, frames_max=number, within=within)
        cut_live += await state() == "running"
        elsewhere = processes.other_than(here)
        after = len(had.frames)
        rest = await read(elsewhere, token, run_id, after, frames_max=ALL, within=False)
        assert not rest.was_cut
        return had.frames + rest.frames

    cuts = [(number, within) for number in boundaries for within in (False, True)]
    readings = await asyncio.gather(*(read_twice(*cut) for cut in cuts))
    assert await state() == "completed"
    whole = (await read(processes.first, token, run_id, 0, frames_max=ALL, within=False)).frames
    assert len(whole) > BOUNDARIES
    return len(readings), sum(reading != whole for reading in readings), cut_live


@pytest.mark.parametrize("read", [over_sse, over_socket])
async def test_a_live_stream_that_is_cut_anywhere_goes_on_elsewhere_to_the_byte(
    processes: TwoProcesses, read: Reading, figure: Callable[[str], None]
) -> None:
    turns = asyncio.Semaphore(RUNS_AT_ONCE)

    async def some(boundaries: range) -> tuple[int, int, int]:
        async with turns:
            return await cut_everywhere(processes, person, read, boundaries)

    async with signed_up(processes.first, "Asha") as person:
        await person.ready(FACTS, filename="flats.md")
        starts = range(0, BOUNDARIES, BOUNDARIES_OF_A_RUN)
        found = await asyncio.gather(
            *(some(range(start, start + BOUNDARIES_OF_A_RUN)) for start in starts)
        )
    readings, mismatches, cut_live = (sum(each) for each in zip(*found, strict=True))
    figure(
        f"cut at each of {BOUNDARIES} boundaries and within the frame after it, {cut_live} times"
        f" while the run was live; resumed on the other process: {mismatches} mismatches of"
        f" {readings}"
    )
    assert readings == 2 * BOUNDARIES
    assert mismatches == 0
    assert cut_live > 0
