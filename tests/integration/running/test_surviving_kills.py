"""Kill it whenever you like: nothing stays behind, and the next start needs nobody's help."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.running.people import Json, Person, signed_up
from tests.integration.running.program import Program, ending, until_gone

TEXTS = {f"note-{number}.txt": f"Note {number} says so. " * 4000 for number in range(8)}


MAKING = "the model's making"
MOMENTS = (
    "initdb",
    "initdb, further on",
    "the server's start",
    "the migrations",
    "the keyring",
    MAKING,
    "being ready",
)


@dataclass
class Survivor:
    """A program that was killed in the midst of indexing, and runs again."""

    program: Program
    asha: Person
    acknowledged: list[Json]
    left_by_the_kill: list[str]
    ready_after_seconds: float


@pytest.fixture(scope="module")
async def survivor(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Survivor]:
    program = Program(places(), models=built_models)
    async with ending(program):
        await program.start()
        async with signed_up(program, "Asha") as before:
            uploads = (before.upload(text, filename=name) for name, text in TEXTS.items())
            acknowledged = await asyncio.gather(*uploads)
            processes = program.descendants()
            await program.kill()
            left = await until_gone(processes)
        ready_after_seconds = await program.start()
        async with program.client(headers=before.http.headers) as http:
            asha = Person(http=http, id=before.id, email=before.email, tokens=before.tokens)
            yield Survivor(program, asha, acknowledged, left, ready_after_seconds)


async def test_a_killed_server_takes_its_processes_with_it(survivor: Survivor) -> None:
    assert survivor.left_by_the_kill == []


async def test_what_was_acknowledged_before_the_kill_is_there_after_it(
    survivor: Survivor, figure: Callable[[str], None]
) -> None:
    figure(f"ready again {survivor.ready_after_seconds:.1f} s after the kill")
    for document in survivor.acknowledged:
        content = await survivor.asha.http.get(f"/v1/documents/{document['id']}/content")
        assert content.text == TEXTS[document["filename"]]


@pytest.mark.slow
async def test_a_first_start_may_be_ended_at_any_moment(
    place: Path, built_models: Path, figure: Callable[[str], None]
) -> None:
    """During initdb, the start of the server, the migrations, the model's making, and after.

    Each run takes some of the moments, in their order, and any signal; the seed repeats it.
    """
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    chosen = sorted(chance.sample(range(len(MOMENTS)), 3))
    told = [MOMENTS[at] for at in chosen]
    figure(f"seed {seed}: {told}")
    program = Program(place, models=None if MAKING in told else built_models)
    postgres, models = program.data_dir / "postgres", program.data_dir / "models"
    moments: dict[str, Callable[[], bool]] = {
        "initdb": lambda: any(postgres.glob(f"data.new-{program.pid}")),
        "initdb, further on": lambda: any(postgres.glob(f"data.new-{program.pid}/global/pg_*")),
        "the server's start": (postgres / "data" / "postmaster.pid").exists,
        "the migrations": (postgres / "socket" / ".s.PGSQL.5432").exists,
        "the keyring": (program.data_dir / "keyring.json").exists,
        MAKING: lambda: any(models.glob("*.building")),
        "being ready": lambda: program.has_announced,
    }
    async with ending(program):
        for moment in told:
            has_come = moments[moment]
            program.spawn()
            # A moment may have passed in the run before: then this run is ended once it is ready.
            while not (program.has_announced or (program.descendants() and has_come())):
                assert program.is_running, f"before {moment}:\n{program.said}"
                await asyncio.sleep(0.002)
            await asyncio.sleep(chance.uniform(0, 0.3))
            assert program.is_running, f"at {moment}:\n{program.said}"
            processes = program.descendants()
            await program.stop(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            assert await until_gone(processes) == [], moment
        await program.start()
        async with signed_up(program, "Asha") as asha:
            await asha.ready("It works after all.")
    assert "Traceback" not in program.said


@pytest.mark.slow
async def test_work_that_was_under_way_at_the_kill_is_finished(
    survivor: Survivor, figure: Callable[[str], None]
) -> None:
    """A job of a dead worker is taken over once it has been silent for as long as a lease is."""
    began = time.monotonic()
    for document in survivor.acknowledged:
        found = await survivor.asha.until_ended(document["id"])
        assert found["state"] == "ready", found
        assert found["passage_count"] > 0
    figure(f"all indexed after {time.monotonic() - began:.1f} s more")
