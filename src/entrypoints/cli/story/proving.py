"""Scene 6: Asha asks who has seen her document, and has it proven without trusting the answer."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from entrypoints.cli.story.instance import BARE_ENVIRONMENT
from entrypoints.cli.story.plot import PURPOSE, SHARED, Plot

INTEGRATION_SECONDS_MAX = 10.0
POLL_SECONDS = 0.1


async def asha_has_it_proven(plot: Plot) -> None:
    stage = plot.stage
    stage.tell(f"Asha asks who has seen “{SHARED}”, and gets every access.")
    accesses = await _integrated(plot)
    for each in accesses:
        who = each["display_name"]
        stage.aside(
            f"{each['number']:>3}  {each['at'][11:23]}  {who}: {each['action']}, "
            f"for {each['purpose']}"
        )
    numbers = [each["number"] for each in accesses]
    whole = list(range(1, len(accesses) + 1))
    stage.check(f"{len(accesses)} accesses, without a gap", expected=whole, seen=numbers)
    his = [each for each in accesses if each["person_id"] == plot.ben.id]
    grant = await plot.asha.get(f"/v1/grants/{plot.grant['id']}")
    stage.check(
        f"{len(his)} of them are Ben's; each took one of his {grant['max_uses']} uses and stated "
        "the purpose",
        expected=(grant["max_uses"] - grant["uses_left"], {(PURPOSE, grant["id"])}),
        seen=(len(his), {(each["purpose"], each["grant_id"]) for each in his}),
    )
    stage.tell(
        "She downloads the proof of Ben's last access, and the log's public key, and asks "
        "a verifier that needs neither an account nor a network."
    )
    with TemporaryDirectory(prefix="strongroom-proof-", dir=plot.instance.home) as directory:
        await _verify(plot, Path(directory), his[-1]["event_id"])
        await _verify_all(plot, Path(directory), len(accesses))
        await _witness(plot, Path(directory))


async def _integrated(plot: Plot) -> list[dict[str, Any]]:
    """The accesses, once the log has numbered all of them."""
    deadline = time.monotonic() + INTEGRATION_SECONDS_MAX
    while True:
        page = await plot.asha.get(f"/v1/documents/{plot.shared}/accesses", limit=200)
        items: list[dict[str, Any]] = page["items"]
        if all(each["integrated"] for each in items) or time.monotonic() > deadline:
            return items
        await asyncio.sleep(POLL_SECONDS)


async def _verify(plot: Plot, directory: Path, event_id: str) -> None:
    stage, asha = plot.stage, plot.asha
    bundle = await asha.get(f"/v1/audit/events/{event_id}/proof")
    size = int(bundle["proof"].split("\n\n", 1)[1].split("\n")[1])
    kept = int(plot.checkpoint.split("\n")[1])
    steps = await asha.get("/v1/audit/consistency", **{"from": kept, "to": size})
    files = {
        "proof.json": json.dumps(bundle),
        "log.key": await _text(plot, "/v1/audit/key"),
        "kept.checkpoint": plot.checkpoint,
        "consistency.json": json.dumps(steps),
    }
    for name, content in files.items():
        (directory / name).write_text(content)
    status, said = await asyncio.to_thread(_verifier, directory)
    for line in said.splitlines():
        stage.aside(line)
    stage.check("the verifier accepts it", expected=0, seen=status)
    stage.aside(f"The checkpoint over {kept} entries is one that she kept after uploading.")
    altered = bundle["leaf"].replace(f'"purpose":"{PURPOSE}"', '"purpose":"cart"')
    (directory / "proof.json").write_text(json.dumps(bundle | {"leaf": altered}))
    different = sum(a != b for a, b in zip(bundle["leaf"], altered, strict=True))
    stage.check("one byte of the entry is changed", expected=1, seen=different)
    status, said = await asyncio.to_thread(_verifier, directory)
    stage.aside(said.splitlines()[-2])
    stage.check("and the verifier rejects it", expected=1, seen=status)


async def _verify_all(plot: Plot, directory: Path, releases: int) -> None:
    """Every access at once, decided again from its evidence."""
    stage = plot.stage
    stage.tell("She downloads all accesses with their evidence, and has every decision made again.")
    bundle = await plot.asha.bytes_of(f"/v1/documents/{plot.shared}/accesses/bundle")
    (directory / "bundle.json").write_bytes(bundle)
    told = f"with the releases 1 to {releases}"
    status, said = await asyncio.to_thread(_run, directory, VERIFIER, "bundle.json", *KEY)
    for line in said.splitlines()[:4]:
        stage.aside(line)
    found = (status, told in said)
    stage.check("none is missing, and all come out the same", expected=(0, True), seen=found)


async def _witness(plot: Plot, directory: Path) -> None:
    """She need not believe that the log is shown to others in the same way."""
    stage = plot.stage
    stage.tell("She watches the log herself: a witness signs only what continues what it signed.")
    watching = (plot.instance.url, *KEY, "--name", "asha", "--directory", "witness")
    token = plot.asha.client.headers["Authorization"].removeprefix("Bearer ")
    statuses = []
    for _ in range(2):
        status, said = await asyncio.to_thread(_run, directory, WITNESS, *watching, token=token)
        statuses.append(status)
        stage.aside(said.strip())
        await plot.asha.bytes_of(f"/v1/documents/{plot.shared}/text")
        await _integrated(plot)
    stage.check("it cosigns, and cosigns what was added", expected=[0, 0], seen=statuses)


VERIFIER, WITNESS = "entrypoints.verifier", "entrypoints.verifier.witness"
KEY = ("--key", "log.key")


def _verifier(directory: Path) -> tuple[int, str]:
    kept = ("--checkpoint", "kept.checkpoint", "--consistency", "consistency.json")
    return _run(directory, VERIFIER, "proof.json", *KEY, *kept)


def _run(
    directory: Path, module: str, *arguments: str, token: str | None = None
) -> tuple[int, str]:
    """Its exit status and what it said, as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=directory,
        env=BARE_ENVIRONMENT | ({} if token is None else {"STRONGROOM_TOKEN": token}),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def _text(plot: Plot, path: str) -> str:
    return (await plot.asha.bytes_of(path)).decode()
