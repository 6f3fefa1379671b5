"""The demonstration holds, says so when it does not, and leaves nothing behind."""

# ruff: noqa: ASYNC240 - a test has its event loop to itself

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import httpx2
import pytest

from entrypoints.cli.demo import INTERRUPTED, SCENES, play
from entrypoints.cli.story.plot import Plot

COMMAND = [sys.executable, "-m", "entrypoints.cli.main", "demo", "--fast"]
SECONDS_MAX = 300.0

pytestmark = pytest.mark.integration


async def _demo(directory: Path) -> asyncio.subprocess.Process:
    """Playing, with `directory` for whatever it puts down meanwhile."""
    return await asyncio.create_subprocess_exec(
        *COMMAND,
        env=os.environ | {"TMPDIR": str(directory), "STRONGROOM_PORT": "of no concern to it"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def test_the_whole_story_holds(tmp_path: Path) -> None:
    demo = await _demo(tmp_path)
    output, _ = await asyncio.wait_for(demo.communicate(), SECONDS_MAX)
    told = output.decode()
    assert demo.returncode == 0, told
    for number, (title, _) in enumerate(SCENES, 1):
        assert f"{number}. {title}" in told
    assert "All of it held" in told
    assert "\x1b" not in told, "plain where there is no terminal"
    assert list(tmp_path.iterdir()) == []


async def test_an_interrupted_story_ends_its_server_and_removes_its_directory(
    tmp_path: Path,
) -> None:
    demo = await _demo(tmp_path)
    assert demo.stdout is not None
    async with asyncio.timeout(SECONDS_MAX):
        while not (line := await demo.stdout.readline()).startswith(b"1. "):
            assert line, "it ended before the first scene"
        servers = _processes_in(tmp_path)
        assert servers
        demo.send_signal(signal.SIGINT)
        await demo.communicate()
    assert demo.returncode == INTERRUPTED
    assert _processes_in(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


async def test_a_promise_that_does_not_hold_fails_the_story(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def broken(plot: Plot) -> None:
        async with httpx2.AsyncClient(base_url=plot.instance.url, trust_env=False) as stranger:
            seen = (await stranger.get("/v1/documents")).status_code
        plot.stage.check("anyone may read everything", expected=200, seen=seen)

    async def unreached(plot: Plot) -> None:
        raise AssertionError("nothing is played after what does not hold")

    status = await play(fast=True, scenes=[("A broken promise", broken), ("More", unreached)])
    told = capsys.readouterr().out
    assert status == 1
    assert "expected: 200" in told
    assert "seen:     401" in told
    assert "This does not hold: anyone may read everything." in told
    assert "ready on http://" in told, "the end of the server's log"
    assert "2. More" not in told


def _processes_in(directory: Path) -> list[int]:
    """The ids of processes that work in this directory."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            at = (process / "cwd").readlink()
        except OSError:
            continue
        if at.is_relative_to(directory):
            found.append(int(process.name))
    return found
