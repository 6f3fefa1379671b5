"""Whoever keeps one checkpoint notices whatever an administrator does to the log later."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from domain.audit.tree import append, leaf_hash
from domain.errors import NotFound
from entrypoints.verifier.command import main
from tests.integration.audit.conftest import AuditClient, CallerIn, TestedLog

BACKED_UP = 4  # entries, of which the first tells that the document was stored
KEPT = 7
MORE = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Verifier:
    """Someone with files, the log's key and a checkpoint kept early; no access to the service."""

    client: AuditClient
    directory: Path
    release_id: str
    kept_size: int

    async def accepts(self, *, with_kept_checkpoint: bool = True) -> bool:
        """Fetch a fresh proof and verify it."""
        proof = await self.client.content(f"/v1/audit/events/{self.release_id}/proof")
        arguments = [self.keep("proof.json", proof), "--key", str(self.directory / "key")]
        if with_kept_checkpoint:
            arguments += ["--checkpoint", str(self.directory / "kept")]
            answer = await self.client.get(f"/v1/audit/consistency?from={self.kept_size}")
            if answer.status_code == 200:
                arguments += ["--consistency", self.keep("consistency.json", answer.content)]
        return main(arguments) == 0

    def keep(self, name: str, content: bytes) -> str:
        path = self.directory / name
        path.write_bytes(content)
        return str(path)


@pytest.fixture
async def verifier(log: TestedLog, client: AuditClient, tmp_path: Path) -> Verifier:
    """Has kept the checkpoint over the first entries; more came since."""
    releases = [await log.release() for _ in range(BACKED_UP - 1)]
    await log.integrate_all()
    for _ in range(KEPT - BACKED_UP):
        await log.release()
    await log.integrate_all()
    verifier = Verifier(
        client=client,
        directory=tmp_path,
        release_id=str(releases[2].id),
        kept_size=KEPT,
    )
    verifier.keep("key", await client.content("/v1/audit/key"))
    verifier.keep("kept", await client.content("/v1/audit/checkpoint"))
    return verifier


async def grow(log: TestedLog) -> None:
    for _ in range(MORE):
        await log.release()
    await log.integrate_all()


async def test_an_honest_log_raises_no_alarm(
    log: TestedLog, verifier: Verifier, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await verifier.accepts()
    for _ in range(3):
        await grow(log)
        assert await verifier.accepts()
    said = capsys.readouterr().out
    assert f"it was done by person {log.owner.person_id}" in said
    assert f"it was about document {log.document.id}, version 1" in said
    assert f"begins with exactly the {KEPT} kept earlier" in said


async def test_a_denial_verifies_though_its_leaf_names_no_version(
    log: TestedLog,
    verifier: Verifier,
    caller_in: CallerIn,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(NotFound):
        await log.release(caller=await caller_in(log.owner.tenant_id))
    await log.integrate_all()
    path = f"/v1/documents/{log.document.id}/denials"
    [denied] = json.loads(await verifier.client.content(path))["items"]
    assert denied["version"] == 1
    assert await replace(verifier, release_id=denied["event_id"]).accepts()
    said = capsys.readouterr().out
    assert "it says: denial at" in said
    assert "1 decisions were made again, and came out as logged" in said


async def test_an_edited_leaf_is_no_longer_in_the_tree(log: TestedLog, verifier: Verifier) -> None:
    await grow(log)
    await log.tamper(_edit_leaf(verifier.release_id))
    assert not await verifier.accepts(with_kept_checkpoint=False)


async def test_an_edited_leaf_with_a_rebuilt_tree_does_not_fit_the_signed_root(
    log: TestedLog, verifier: Verifier
) -> None:
    await grow(log)
    await log.tamper(_edit_leaf(verifier.release_id))
    leaves = await log.rows(
        "SELECT leaf FROM audit_leaves WHERE tenant_id = $1 ORDER BY leaf_index"
    )
    rebuilt = append(0, {}, [leaf_hash(row["leaf"]) for row in leaves])
    await log.tamper(
        *(
            f"UPDATE audit_nodes SET hash = decode('{hash_.hex()}', 'hex')"
            f" WHERE tenant_id = $1 AND level = {at.level} AND index = {at.place}"
            for at, hash_ in rebuilt.items()
        )
    )
    assert not await verifier.accepts(with_kept_checkpoint=False)


@pytest.mark.parametrize(
    ("rewrite", "looks_right"),
    [
        (
            "UPDATE audit_events SET purpose = 'care' WHERE tenant_id = $1 AND type = 'release'",
            False,
        ),
        (
            "DELETE FROM audit_pending WHERE tenant_id = $1 AND event_id = (SELECT"
            " min(id::text)::uuid FROM audit_events WHERE tenant_id = $1 AND type = 'release')",
            True,
        ),
        (
            "UPDATE audit_events SET at = '2020-01-01' WHERE tenant_id = $1 AND id = "
            "(SELECT max(id::text)::uuid FROM audit_events WHERE tenant_id = $1)",
            True,
        ),
        ("UPDATE audit_resources SET grant_id = tenant_id WHERE tenant_id = $1", False),
    ],
    ids=["edited", "deleted", "reordered", "grants invented"],
)
async def test_a_history_that_the_service_was_made_to_sign_anew_is_another_history(
    log: TestedLog, verifier: Verifier, rewrite: str, looks_right: bool
) -> None:
    """The strongest attack: the whole log is emptied, and the events queued again, but changed.

    What the evidence of a release contradicts does not even look right by itself.
    """
    await grow(log)
    assert await verifier.accepts()
    await log.tamper(
        *(
            f"DELETE FROM {table} WHERE tenant_id = $1"
            for table in ("audit_leaves", "audit_numbers", "audit_nodes", "audit_checkpoints")
        ),
        "INSERT INTO audit_pending (tenant_id, event_id)"
        " SELECT tenant_id, id FROM audit_events WHERE tenant_id = $1",
        rewrite,
    )
    assert await log.integrate_all() >= KEPT + MORE - 1
    answer = await verifier.client.get(f"/v1/audit/events/{verifier.release_id}/proof")
    assert answer.status_code == 200
    assert await verifier.accepts(with_kept_checkpoint=False) is looks_right
    assert not await verifier.accepts()


async def test_a_log_restored_from_before_the_kept_checkpoint_is_noticed(
    log: TestedLog, verifier: Verifier
) -> None:
    gone = f"(SELECT event_id FROM audit_leaves WHERE tenant_id = $1 AND leaf_index >= {BACKED_UP})"
    await log.tamper(
        f"DELETE FROM audit_numbers WHERE tenant_id = $1 AND event_id IN {gone}",
        f"DELETE FROM audit_resources WHERE tenant_id = $1 AND event_id IN {gone}",
        f"DELETE FROM audit_events WHERE tenant_id = $1 AND id IN {gone}",
        f"DELETE FROM audit_leaves WHERE tenant_id = $1 AND leaf_index >= {BACKED_UP}",
        f"DELETE FROM audit_nodes WHERE tenant_id = $1 AND (index + 1) << level > {BACKED_UP}",
        f"DELETE FROM audit_checkpoints WHERE tenant_id = $1 AND size > {BACKED_UP}",
    )
    assert await verifier.accepts(with_kept_checkpoint=False)
    assert not await verifier.accepts(), "the log is shorter than it was"
    await grow(log)
    assert await verifier.accepts(with_kept_checkpoint=False), "the restored log goes on"
    assert not await verifier.accepts(), "it is longer again, but not the same"


async def test_a_fork_shown_to_others_does_not_continue_what_was_kept(
    log: TestedLog, verifier: Verifier
) -> None:
    await grow(log)
    consistency = json.loads(
        await verifier.client.content(f"/v1/audit/consistency?from={verifier.kept_size}")
    )
    assert consistency["from"] == verifier.kept_size
    assert await verifier.accepts()
    kept = (verifier.directory / "kept").read_text()
    other_root = kept.split("\n")[2]
    forged = kept.replace(other_root, other_root[::-1].lstrip("=") + "=")
    verifier.keep("kept", forged.encode())
    assert not await verifier.accepts(), "a checkpoint that the log never signed is no evidence"


def _edit_leaf(release_id: str) -> str:
    return (
        "UPDATE audit_leaves SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'),"
        " 'personal_use', 'care'), 'UTF8')"
        f" WHERE tenant_id = $1 AND event_id = '{release_id}'"
    )
