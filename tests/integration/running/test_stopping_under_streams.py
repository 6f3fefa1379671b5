"""SIGTERM under open streams: it exits, and each client reads the rest on the other process."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.integration.running.people import Person, json_of, signed_up
from tests.integration.running.program import Program
from tests.integration.running.raw_streams import ALL, over_sse
from tests.integration.running.two_processes import TwoProcesses

# Four sentences that differ, each of fifty words: an answer of twenty seconds.
FACTS = " ".join(
    f"The deposit of the {house} flat is {house}00 euros, which with the "
    + " ".join(f"{house}{number}th room" for number in range(20))
    + " is paid back."
    for house in ("yellow", "narrow", "sunny", "upper")
)
DRAIN_SECONDS_MAX = 60  # half of which is for runs
READERS_OF_A_RUN = 10
STREAMS = [pytest.param(20, marks=pytest.mark.slow), pytest.param(500, marks=pytest.mark.long)]


@pytest.fixture(scope="module")
async def processes(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[TwoProcesses]:
    made = TwoProcesses(
        places(),
        models=built_models,
        extractive_words_per_second=10,
        drain_seconds_max=DRAIN_SECONDS_MAX,
    )
    async with made.running():
        yield made


async def asked(person: Person, program: Program, count: int) -> list[str]:
    """Runs that this process executes."""
    turns = asyncio.Semaphore(8)

    async def one() -> str:
        async with turns:
            chat = json_of(await person.http.post("/v1/conversations", json={}))["id"]
            url = f"{program.url}/v1/conversations/{chat}/messages"
            question = {"content": "How much is the deposit of each flat?"}
            return str(json_of(await person.http.post(url, json=question))["run"]["id"])

    return await asyncio.gather(*(one() for _ in range(count)))


@pytest.mark.parametrize("streams", STREAMS)
@pytest.mark.parametrize("executes", ["the one that stops", "the other one"])
async def test_streams_that_were_open_at_a_stop_go_on_elsewhere_without_loss(
    processes: TwoProcesses, executes: str, streams: int, figure: Callable[[str], None]
) -> None:
    staying, stopping = processes.both
    executing = stopping if executes == "the one that stops" else staying
    async with signed_up(staying, "Asha") as asha:
        token = asha.tokens["access_token"]
        await asha.ready(FACTS, filename="flats.md")
        run_ids = await asked(asha, executing, streams // READERS_OF_A_RUN)

        async def read(run_id: str) -> tuple[list[bytes], float, bool]:
            """Whole frames from both, when the first stream ended, and whether the run had not."""
            had = await over_sse(stopping, token, run_id, 0, frames_max=ALL, within=False)
            ended_at = time.monotonic()
            last = had.frames[-1] if had.frames else b""
            cut = not any(end in last for end in (b"event: completed", b"event: failed"))
            after = len(had.frames)
            rest = await over_sse(staying, token, run_id, after, frames_max=ALL, within=False)
            return had.frames + rest.frames, ended_at, cut

        open_ids = [run_id for run_id in run_ids for _ in range(READERS_OF_A_RUN)]
        reading = [asyncio.create_task(read(run_id)) for run_id in open_ids]
        await until_open(stopping, streams)
        told_at = time.monotonic()
        os.kill(stopping.pid, signal.SIGTERM)
        exit_status = await stopping.ended(within_seconds=2 * DRAIN_SECONDS_MAX)
        seconds = time.monotonic() - told_at
        readings = await asyncio.gather(*reading)
        wholes = {
            run_id: (await over_sse(staying, token, run_id, 0, frames_max=ALL, within=False)).frames
            for run_id in run_ids
        }
        runs = [json_of(await asha.http.get(f"/v1/runs/{run_id}")) for run_id in run_ids]
    await stopping.start()
    cut = sum(was_cut for *_, was_cut in readings)
    lost = sum(
        frames != wholes[run_id] for run_id, (frames, *_) in zip(open_ids, readings, strict=True)
    )
    states = Counter(each["state"] for each in runs)
    closed = max(at for _, at, _ in readings) - told_at
    figure(
        f"SIGTERM under {streams} streams of {len(run_ids)} runs that are executed by {executes}:"
        f" {cut} cut in the midst of their runs, the last after {closed:.2f} s; exit after"
        f" {seconds:.2f} s with status {exit_status}; runs {dict(states)};"
        f" {lost} of {len(readings)} readings differ from the whole"
    )
    assert exit_status == 0
    assert cut == streams
    assert lost == 0
    assert seconds < DRAIN_SECONDS_MAX


async def until_open(program: Program, streams: int) -> None:
    """Until so many streams are open, as the program itself says."""
    wanted = f"strongroom_open_streams {float(streams)}"
    async with program.client() as http, asyncio.timeout(60):
        while wanted not in (await http.get("/metrics")).text:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
