"""An implementation that others wrote, in another language, accepts our notes and proofs.

Go's checksum database is such a log; Debian packages its code (golang-golang-x-mod-dev). The
program under tests/interop/go reads what our API answered, and alters it in every place.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.integration.audit.conftest import AuditClient, TestedLog

PROGRAM = Path(__file__).parents[2] / "interop" / "go"
GO_PATH = "/usr/share/gocode"  # where Debian puts the sources of Go libraries
# Sizes around powers of two, where proofs change their form.
SIZES = (1, 2, 3, 4, 7, 8, 13)

pytestmark = pytest.mark.services


@pytest.fixture(scope="session")
async def verifier(service: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Go program, built without a network."""
    go = service("go")
    service(f"{GO_PATH}/src/golang.org/x/mod/sumdb")
    built = tmp_path_factory.mktemp("go")
    environment = os.environ | {
        "GO111MODULE": "off",
        "GOFLAGS": "",
        "GOPATH": GO_PATH,
        "GOCACHE": str(built / "cache"),
    }
    building = await asyncio.create_subprocess_exec(
        go, "build", "-o", str(built / "verifier"), ".", cwd=PROGRAM, env=environment
    )
    assert await building.wait() == 0
    return built / "verifier"


async def test_go_accepts_what_the_log_says_and_rejects_it_altered_in_any_place(
    log: TestedLog, client: AuditClient, verifier: Path, figure: Callable[[str], None]
) -> None:
    checkpoints: dict[int, str] = {}
    size = await log.integrate_all()  # the document being added
    for wanted in SIZES:
        while size < wanted:
            await log.release()
            size += 1
        await log.integrate_all()
        checkpoints[size] = (await client.content("/v1/audit/checkpoint")).decode()
    events = json.loads(await client.content("/v1/audit/events"))["items"]
    assert [each["index"] for each in events] == list(range(size))
    entries = []
    for event in events:
        shown = json.loads(await client.content(f"/v1/audit/events/{event['id']}/proof"))
        entries.append({"leaf": shown["leaf"], "proof": shown["proof"]})
    histories = []
    for old, new in [*pairwise(SIZES), (1, size), (7, size)]:
        path = f"/v1/audit/consistency?from={old}&to={new}"
        hashes = json.loads(await client.content(path))["hashes"]
        histories.append({"old": checkpoints[old], "new": checkpoints[new], "hashes": hashes})
    key = (await client.content("/v1/audit/key")).decode()

    counted = await said_of(verifier, {"key": key, "entries": entries, "histories": histories})
    assert counted["accepted"] == {
        "entry": len(events),
        "history": len(histories),
        "tree": 2 * len(histories),
    }
    for what in ("leaf", "index", "hash", "note", "signature", "size", "key", "old note"):
        assert counted["rejected"][what] > 0, what
    accepted, rejected = (sum(counted[verdict].values()) for verdict in ("accepted", "rejected"))
    assert rejected > 25_000
    figure(
        f"Go accepted {accepted} notes and proofs, and rejected {rejected} of {rejected} altered"
    )


async def test_go_does_not_accept_a_leaf_of_another_event(
    log: TestedLog, client: AuditClient, verifier: Path
) -> None:
    """Whether the program itself can say no: what it rejects is otherwise altered by itself."""
    shown = []
    for event in [await log.release(), await log.release()]:
        await log.integrate_all()
        shown.append(json.loads(await client.content(f"/v1/audit/events/{event.id}/proof")))
    key = (await client.content("/v1/audit/key")).decode()
    entry = {"leaf": shown[0]["leaf"], "proof": shown[1]["proof"]}
    with pytest.raises(AssertionError, match="refused: entry"):
        await said_of(verifier, {"key": key, "entries": [entry], "histories": []})


async def said_of(verifier: Path, evidence: dict[str, object]) -> dict[str, dict[str, int]]:
    checking = await asyncio.create_subprocess_exec(
        verifier,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complaint = await checking.communicate(json.dumps(evidence).encode())
    assert checking.returncode == 0, complaint.decode()
    counted: dict[str, dict[str, int]] = json.loads(said)
    return counted
