"""A start prepares everything, a stop leaves nothing running, and both are quick."""

from __future__ import annotations

import asyncio
import signal
import stat
from collections.abc import Callable
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.integration.running.people import signed_up
from tests.integration.running.program import Program, ending, until_gone

pytestmark = pytest.mark.slow

SECOND_START_SECONDS_MAX = 12.0  # three when nothing else runs on the machine
STOP_SECONDS_MAX = 4.0  # two when nothing else runs on the machine


async def test_the_first_start_prepares_everything_and_the_second_is_quick(
    built_models: Path, place: Path, figure: Callable[[str], None]
) -> None:
    program = Program(place, models=built_models)
    async with ending(program):
        first = await program.start()
        async with program.client() as http:
            for _ in range(50):  # what is only useful may come a moment later
                ready = await http.get("/health/ready")
                if ready.json()["status"] == "ready":
                    break
                await asyncio.sleep(0.1)
        assert (ready.status_code, ready.json()["status"]) == (200, "ready"), ready.text
        assert (await program.stop())[0] == 0
        second = await program.start()
    figure(f"first start {first:.1f} s, second {second:.1f} s")
    assert second < SECOND_START_SECONDS_MAX
    assert program.said.count("making a new keyring") == 1
    assert "Traceback" not in program.said


async def test_keys_and_database_are_for_their_owner_alone(own: Program) -> None:
    await own.running()
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
    own: Program, sign: signal.Signals, figure: Callable[[str], None]
) -> None:
    await own.running(worker=False)  # so that the stream of a document's progress stays open
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
    figure(f"{sign.name}: stopped in {seconds:.1f} s")
    assert exit_status == 0
    assert seconds < STOP_SECONDS_MAX
    assert await until_gone(processes) == []
    assert "Traceback" not in own.said
