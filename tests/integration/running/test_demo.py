"""The demonstration holds, says so when it does not, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import httpx2
import pytest

from entrypoints.cli.demo import INTERRUPTED, SCENES, play
from entrypoints.cli.story.plot import Plot
from tests.integration.running.program import PROGRAM

SECONDS_MAX = 300.0

# Of records and links: each is checked by the scene before it is said.
SAID = (
    "what its schema does not allow is refused, and the answer names the field",
    "Ben sees that field and no other, not even a title",
    "a field that he was not given and one that does not exist are the same answer",
    "opened three times, as mail scanners do, it is still good once",
    "a wrong pass-code and a link that never was are the same answer",
    "with the right one she reads it",
    "it cannot be redeemed a second time, and Asha sees that somebody tried",
    "but for herself, whoever has the link is who has read it",
)

pytestmark = pytest.mark.integration


@pytest.fixture
def home(place: Path, built_models: Path) -> Path:
    """A directory with a built model where `strongroom` looks for it, and nothing else."""
    (place / ".strongroom").mkdir()
    (place / ".strongroom" / "models").symlink_to(built_models, target_is_directory=True)
    return place


async def _demo(home: Path) -> asyncio.subprocess.Process:
    """Started in `home`, which is also for whatever it puts down meanwhile."""
    return await asyncio.create_subprocess_exec(
        PROGRAM,
        "demo",
        "--fast",
        cwd=home,
        env=os.environ | {"TMPDIR": str(home), "STRONGROOM_PORT": "of no concern to it"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


@pytest.mark.slow
async def test_the_whole_story_holds(home: Path) -> None:
    demo = await _demo(home)
    async with asyncio.timeout(SECONDS_MAX):
        output, _ = await demo.communicate()
    told = output.decode()
    assert demo.returncode == 0, told
    for number, (title, _) in enumerate(SCENES, 1):
        assert f"{number}. {title}" in told
    for claim in SAID:
        assert f"ok {claim}" in told.replace("✓", "ok"), told
    assert "All of it held" in told
    assert "\x1b" not in told, "plain where there is no terminal"
    assert _left_in(home) == []


async def test_an_interrupted_story_ends_its_server_and_removes_its_directory(home: Path) -> None:
    demo = await _demo(home)
    assert demo.stdout is not None
    told = b""
    async with asyncio.timeout(SECONDS_MAX):
        while not (line := await demo.stdout.readline()).startswith(b"1. "):
            assert line, f"it ended before the first scene: {told.decode()}"
            told += line
        assert _processes_below(home)
        demo.send_signal(signal.SIGINT)
        await demo.communicate()
    assert demo.returncode == INTERRUPTED
    assert _processes_below(home) == []
    assert _left_in(home) == []


async def test_a_promise_that_does_not_hold_fails_the_story(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(plot: Plot) -> None:
        async with httpx2.AsyncClient(base_url=plot.instance.url, trust_env=False) as stranger:
            seen = (await stranger.get("/v1/documents")).status_code
        plot.stage.check("anyone may read everything", expected=200, seen=seen)

    async def unreached(plot: Plot) -> None:
        raise AssertionError("nothing is played after what does not hold")

    monkeypatch.chdir(home)
    status = await play(fast=True, scenes=[("A broken promise", broken), ("More", unreached)])
    told = capsys.readouterr().out
    assert status == 1
    assert "expected: 200" in told
    assert "seen:     401" in told
    assert "This does not hold: anyone may read everything." in told
    assert "ready on http://" in told, "the end of the server's log"
    assert "2. More" not in told


def _left_in(home: Path) -> list[Path]:
    return list(home.glob("strongroom-*"))


def _processes_below(home: Path) -> list[int]:
    """The ids of the processes that work in a directory below this one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            at = (process / "cwd").readlink()
        except OSError:
            continue
        if home in at.parents:
            found.append(int(process.name))
    return found
