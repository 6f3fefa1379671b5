"""Starts, stops, kills and starts again: nothing is left behind that a start cannot cope with."""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx2
import psutil
import pytest

from tests.integration.running.people import Person, signed_up
from tests.integration.running.program import Program, command, ending, until_gone

STOP_SECONDS_MAX = 4.0  # two when nothing else runs on the machine


@pytest.fixture(scope="module")
async def own(
    built_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Program]:
    """A program that these tests may stop and kill; each starts it where it needs it running."""
    program = Program(tmp_path_factory.mktemp("own"), models=built_models)
    async with ending(program):
        await program.start()
        yield program


async def _running(program: Program, **settings: object) -> Program:
    """Running with these settings, whatever the test before left."""
    if program.exit_status is None and settings:
        await program.stop()
    program.settings.update(settings)
    if program.exit_status is not None:
        await program.start()
    return program


async def test_the_first_start_prepares_everything_and_the_second_is_quick(
    built_models: Path, tmp_path: Path
) -> None:
    program = Program(tmp_path, models=built_models)
    async with ending(program):
        first = await program.start()
        async with program.client() as http:
            ready = await http.get("/health/ready")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert await program.stop() == (0, pytest.approx(0, abs=STOP_SECONDS_MAX))
        second = await program.start()
    print(f"first start {first:.1f} s, second {second:.1f} s")
    assert second < first
    assert "Traceback" not in program.said


async def test_keys_and_database_are_for_their_owner_alone(own: Program) -> None:
    await _running(own)
    assert stat.S_IMODE((own.data_dir / "keyring.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(own.socket_directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((own.data_dir / "postgres" / "data").stat().st_mode) == 0o700
    postgres = psutil.Process(own.postgres_pid)
    for process in (postgres, *postgres.children(recursive=True)):
        assert not process.net_connections(kind="inet"), process.cmdline()
    port = httpx2.URL(own.url).port
    listening = psutil.Process(own.pid).net_connections(kind="inet")
    assert [each.laddr.port for each in listening if each.status == "LISTEN"] == [port]


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_a_stop_ends_open_streams_and_every_process(
    own: Program, sign: signal.Signals
) -> None:
    await _running(own, worker=False)  # so that the stream of a document's progress stays open
    async with signed_up(own, "Asha") as asha:
        document = await asha.upload("The stream of this one stays open.")
        async with asha.http.stream("GET", f"/v1/documents/{document['id']}/events") as stream:
            lines = stream.aiter_lines()
            while not (await anext(lines)).startswith("data:"):
                pass
            processes = own.descendants()
            assert own.postgres_pid in {process.pid for process in processes}
            stopping = asyncio.create_task(own.stop(sign))
            async for _ in lines:  # ends, and not by a broken connection
                pass
        exit_status, seconds = await stopping
    print(f"{sign.name}: stopped in {seconds:.1f} s")
    assert exit_status == 0
    assert seconds < STOP_SECONDS_MAX
    assert await until_gone(processes) == []
    assert "Traceback" not in own.said


async def test_a_killed_server_leaves_no_process_and_the_next_start_finishes_its_work(
    own: Program,
) -> None:
    await _running(own, worker=True)
    texts = {f"note-{number}.txt": f"Note {number}. " * 4000 for number in range(12)}
    async with signed_up(own, "Asha") as asha:
        uploads = (asha.upload(text, filename=name) for name, text in texts.items())
        acknowledged = await asyncio.gather(*uploads)
        processes = own.descendants()
        await own.kill()
        left = await until_gone(processes)
        assert left == []
        seconds = await own.start()
        async with own.client(headers=asha.http.headers) as http:
            again = Person(http=http, id=asha.id, email=asha.email, tokens=asha.tokens)
            for document in acknowledged:
                content = await http.get(f"/v1/documents/{document['id']}/content")
                assert content.text == texts[document["filename"]]
            states = [await again.until_ended(each["id"]) for each in acknowledged]
    print(f"ready again {seconds:.1f} s after the kill")
    assert {state["state"] for state in states} == {"ready"}
