"""Questions that wait for their turn outlive the process that took them in: kill -9, no loss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest

from tests.integration.running.people import Json, Person, json_of, signed_up
from tests.integration.running.program import Program
from tests.integration.running.raw_streams import ALL, EVENT, over_sse
from tests.integration.running.test_stopping_under_streams import FACTS
from tests.integration.running.two_processes import TwoProcesses

WAITING = 3
LEASE_SECONDS = 3.0

pytestmark = pytest.mark.slow


@pytest.fixture
async def processes(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[TwoProcesses]:
    made = TwoProcesses(
        places(),
        models=built_models,
        extractive_words_per_second=40,
        run_lease_seconds=LEASE_SECONDS,
    )
    async with made.running():
        yield made


async def test_what_waits_for_its_turn_is_answered_although_its_process_was_killed(
    processes: TwoProcesses, figure: Callable[[str], None]
) -> None:
    killed, other = processes.both
    async with signed_up(other, "Asha") as asha:
        await asha.ready(FACTS, filename="flats.md")
        chat = json_of(await asha.http.post("/v1/conversations", json={}))["id"]
        keys = [uuid4().hex for _ in range(1 + WAITING)]
        runs = [json_of(await ask(asha, killed, chat, key))["run"] for key in keys]
        assert [each["state"] for each in runs] == ["running"] + ["queued"] * WAITING
        await over_sse(killed, token(asha), runs[0]["id"], 0, frames_max=4, within=False)
        await killed.kill()
        at = time.monotonic()
        for key, run in zip(keys, runs, strict=True):
            repeated = await ask(asha, other, chat, key)
            assert json_of(repeated)["run"]["id"] == run["id"], repeated.text
        stories = [
            (await over_sse(other, token(asha), each["id"], 0, frames_max=ALL, within=False)).frames
            for each in runs
        ]
        seconds = time.monotonic() - at
        ended: list[Json] = [json_of(await asha.http.get(f"/v1/runs/{e['id']}")) for e in runs]
    figure(
        f"killed with 1 run under way and {WAITING} waiting: {[each['state'] for each in ended]},"
        f" all told {seconds:.1f} s after the kill"
    )
    assert [each["state"] for each in ended] == ["failed"] + ["completed"] * WAITING
    for story, position in zip(stories, range(1 + WAITING), strict=True):
        told = [EVENT.fullmatch(frame) for frame in story]
        assert [int(each[1]) for each in told if each] == list(range(1, len(story) + 1))
        kinds = [each[2] for each in told if each]
        assert kinds.count(b"queued") == (1 if position else 0)
        assert kinds.count(b"run_started") == 1
        assert kinds[-1] == (b"completed" if position else b"failed")
    times = [each["ended_at"] for each in ended]
    assert times == sorted(times), "they were answered out of their order"


async def ask(person: Person, program: Program, chat: str, key: str) -> httpx2.Response:
    async with asyncio.timeout(30):
        return await person.http.post(
            f"{program.url}/v1/conversations/{chat}/messages",
            json={"content": "How much is the deposit of each flat?", "when_busy": "queue"},
            headers={"Idempotency-Key": key},
        )


def token(person: Person) -> str:
    return str(person.tokens["access_token"])
