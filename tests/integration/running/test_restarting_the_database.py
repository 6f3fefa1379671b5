"""The embedded PostgreSQL may die at any moment: it is started again without anybody's help."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psutil
import pytest

from tests.integration.running.people import Person, signed_up
from tests.integration.running.program import Program

pytestmark = pytest.mark.slow

ENDING_SECONDS_MAX = 2.0
SECONDS_MAX = 20.0  # two when nothing else runs on the machine
TEXT = "The lease of the harbour flat ends in March."


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGQUIT])
async def test_a_database_that_ended_is_started_again(
    own: Program, sign: signal.Signals, figure: Callable[[str], None]
) -> None:
    await own.running()
    server = own.pid
    async with signed_up(own, "Asha") as asha:
        document = await asha.ready(TEXT)
        postgres = psutil.Process(own.postgres_pid)
        postgres.send_signal(sign)
        seconds = await _seconds_until_found(asha)
        figure(f"{sign.name}: a search answered {seconds:.1f} s later")
        assert not postgres.is_running()
        content = await asha.http.get(f"/v1/documents/{document['id']}/content")
        assert content.text == TEXT
        await asha.ready("And there are new ones.")
    assert own.pid == server
    assert "database_started_again" in own.said


async def test_what_a_killed_database_leaves_running_does_not_stand_in_the_way(
    own: Program, figure: Callable[[str], None]
) -> None:
    await own.running()
    async with signed_up(own, "Asha") as asha:
        await asha.ready(TEXT)
        postgres = psutil.Process(own.postgres_pid)
        with _not_moving(postgres.children()) as left:
            postgres.kill()
            seconds = await _seconds_until_found(asha)
        figure(f"a search answered {seconds:.1f} s later, beside {left} that did not move")
        assert left > 0


@pytest.mark.parametrize("after_seconds", [0.0, 0.8])
async def test_a_stop_may_follow_the_end_of_the_database_at_once(
    own: Program, after_seconds: float, figure: Callable[[str], None]
) -> None:
    await own.running()
    already = len(own.said)
    async with signed_up(own, "Asha") as asha:
        document = await asha.ready(TEXT)
        processes = own.descendants()
        os.kill(own.postgres_pid, signal.SIGKILL)
        await asyncio.sleep(after_seconds)
        began = time.monotonic()
        os.kill(own.pid, signal.SIGTERM)
        exit_status = await own.ended(within_seconds=3 * SECONDS_MAX)
        seconds = time.monotonic() - began
        figure(f"{after_seconds} s after the kill: stopped in {seconds:.1f} s")
        assert exit_status == 0, own.said[already:]
        async with asyncio.timeout(ENDING_SECONDS_MAX):  # killed, the last may still be on its way
            while any(map(_is_alive, processes)):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert _servers_of(own) == []
        await own.running()
        async with own.client(headers=asha.http.headers) as http:
            content = await http.get(f"/v1/documents/{document['id']}/content")
        assert content.text == TEXT


def _is_alive(process: psutil.Process) -> bool:
    """Not one that has ended, and that whoever inherited it has not looked at yet."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _seconds_until_found(person: Person) -> float:
    """Until a search answered, and found what was acknowledged before; all is well by then."""
    began = time.monotonic()
    asked = {"query": "when does the lease end"}
    async with asyncio.timeout(SECONDS_MAX):
        while (answer := await person.http.post("/v1/search", json=asked)).status_code != 200:
            assert answer.status_code == 503, answer.text
            await asyncio.sleep(0.1)
        seconds = time.monotonic() - began
        while (await person.http.get("/health/ready")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    assert [hit["text"] for hit in answer.json()["items"]] == [TEXT]
    return seconds


@contextmanager
def _not_moving(processes: list[psutil.Process]) -> Iterator[int]:
    """Whatever becomes of the test, none of them stays behind in that state."""
    for process in processes:
        process.suspend()
    try:
        yield len(processes)
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _servers_of(program: Program) -> list[int]:
    place = str((program.data_dir / "postgres" / "data").resolve())
    return [each.pid for each in psutil.process_iter(["cwd"]) if each.info["cwd"] == place]
