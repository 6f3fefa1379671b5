"""Auditors compute the whole tree themselves; everybody watches the log of checkpoints."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from adapters.encryption.signatures import ed25519_verify
from domain.audit.checkpoint import LOG_OF_CHECKPOINTS, log_name, open_checkpoint
from domain.audit.leaf import opens
from domain.audit.note import VerifierKey
from domain.audit.proof import is_included
from domain.audit.tlog_proof import TlogProof
from domain.audit.tree import append, leaf_hash, root
from domain.identity import Role
from entrypoints.verifier.entry import opened
from tests.integration.audit.conftest import AuditClient, CallerIn, TestedLog
from tests.integration.conftest import new_tenant

RELEASES = 270


def entries_in(bundle: bytes) -> list[bytes]:
    entries = []
    while bundle:
        length = int.from_bytes(bundle[:2])
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    return entries


async def test_the_tree_that_tiles_hold_is_the_one_that_was_signed(
    log: TestedLog, client: AuditClient
) -> None:
    for _ in range(RELEASES):
        await log.release()
    await log.integrate_all()
    _, checkpoint = await log.checkpoint()
    size = checkpoint.size
    auditor = replace(log.owner, role=Role.AUDITOR)
    rest = size - 256
    entries = entries_in(await client.content("/v1/audit/tile/entries/000", auditor))
    entries += entries_in(await client.content(f"/v1/audit/tile/entries/001.p/{rest}", auditor))
    hashes = [leaf_hash(each) for each in entries]
    assert len(entries) == size == RELEASES + 1
    tiles = await client.content("/v1/audit/tile/0/000")
    tiles += await client.content(f"/v1/audit/tile/0/001.p/{rest}")
    assert tiles == b"".join(hashes)
    nodes = append(0, {}, hashes)
    assert root(size, nodes) == checkpoint.root
    assert await client.content("/v1/audit/tile/1/000.p/1") == root(256, nodes)
    full = await client.get("/v1/audit/tile/0/000")
    assert full.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert full.headers["content-type"] == "application/octet-stream"
    partial = await client.get("/v1/audit/tile/0/000.p/7")
    assert "immutable" not in partial.headers["cache-control"]
    for beyond in (f"0/001.p/{rest + 1}", "0/001", "0/002", "1/000", "2/000.p/1", "0/x", "9/000"):
        assert (await client.get(f"/v1/audit/tile/{beyond}")).status_code == 404, beyond


async def test_entries_are_for_auditors_and_administrators(
    log: TestedLog, client: AuditClient
) -> None:
    await log.integrate_all()
    for role, status in ((Role.MEMBER, 404), (Role.AUDITOR, 200), (Role.ADMIN, 200)):
        asker = replace(log.owner, role=role)
        answer = await client.get("/v1/audit/tile/entries/000.p/1", asker)
        assert answer.status_code == status, role
        assert (await client.get("/v1/audit/tile/entries/000.p/2", asker)).status_code == 404


async def test_checkpoints_of_every_log_are_in_the_log_of_checkpoints(
    log: TestedLog, client: AuditClient, caller_in: CallerIn
) -> None:
    other = await caller_in(await new_tenant(log.database))
    checkpoint_log = log.container.checkpoint_log()
    await log.integrate_all()
    assert (await client.get("/v1/audit/checkpoint/proof")).status_code == 404
    assert await checkpoint_log.record() > 0
    assert (await client.get("/v1/audit/checkpoint/proof")).status_code == 404, "not yet in it"
    await log.integrate(tenant_id=LOG_OF_CHECKPOINTS)
    assert await checkpoint_log.record() == 0, "each is recorded once"

    shown = json.loads(await client.content("/v1/audit/checkpoint/proof"))
    key = VerifierKey.parse((await client.content("/v1/checkpoints/key")).decode())
    proof = TlogProof.parse(shown["proof"])
    of_logs = open_checkpoint(proof.checkpoint, key, ed25519_verify)
    assert key.name == of_logs.origin == "strongroom.local/checkpoints"
    assert is_included(
        leaf_hash=leaf_hash(shown["leaf"].encode()),
        index=proof.index,
        size=of_logs.size,
        proof=proof.hashes,
        root=of_logs.root,
    )
    assert opens(json.loads(shown["leaf"]), opened(shown["opening"]))
    _, own = await log.checkpoint()
    told = json.loads(shown["opening"]["body"]["text"])
    assert (told["origin"], told["size"]) == (log_name(log.owner.tenant_id), own.size)
    assert await log.trail.logged_checkpoint(other.tenant_id) is None


async def test_the_log_of_checkpoints_is_there_for_everyone_and_names_no_tenant(
    log: TestedLog, client: AuditClient
) -> None:
    await log.integrate_all()
    await log.container.checkpoint_log().record()
    await log.integrate(tenant_id=LOG_OF_CHECKPOINTS)
    note = (await client.http.get("/v1/checkpoints/checkpoint")).text
    size = int(note.split("\n")[1])
    answers = [note]
    for path in ("key", f"consistency?from=1&to={size}", f"tile/0/000.p/{min(size, 255)}"):
        answer = await client.http.get(f"/v1/checkpoints/{path}")
        assert answer.status_code == 200, path
        answers.append(answer.content.hex() + answer.content.decode(errors="replace"))
    leaves = await log.trail.leaves(LOG_OF_CHECKPOINTS, 0, 1000)
    answers += [each.decode() for each in leaves]
    for hidden in (str(log.owner.tenant_id), log.owner.tenant_id.hex):
        assert not any(hidden in each for each in answers)
    assert json.loads(leaves[-1])["type"] == "checkpoint"
    assert (await client.http.get("/v1/audit/tile/0/000.p/1")).status_code == 401


@pytest.mark.parametrize("path", ["tile/entries/000.p/1", "events"])
async def test_of_the_log_of_checkpoints_nothing_more_is_offered(
    client: AuditClient, path: str
) -> None:
    assert (await client.http.get(f"/v1/checkpoints/{path}")).status_code in (400, 404)
