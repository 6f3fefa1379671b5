"""A witness keeps and cosigns checkpoints, and notices what an administrator does to the log."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.encryption.signatures import ed25519_verify
from domain.audit.checkpoint import open_checkpoint
from domain.audit.cosignature import WitnessKey, cosignatures_of
from domain.audit.note import NoteNotValid
from entrypoints.verifier.command import main as verify
from entrypoints.verifier.witness import Witness, main
from tests.integration.audit.conftest import AuditClient, TestedLog

Watch = Callable[..., Awaitable[int]]
KEPT = 4


@pytest.fixture
def witness(log: TestedLog, tmp_path: Path) -> WitnessKey:
    """Its key, which the operator has named."""
    key = Witness(tmp_path / "witness", "witness.example").key
    log.witnesses.append(key)
    return key


@pytest.fixture
async def watch(
    log: TestedLog, client: AuditClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Watch:
    monkeypatch.setenv("STRONGROOM_TOKEN", f"{log.owner.person_id}/member")
    arguments = [str(client.http.base_url), "--key", log.key.printed]
    arguments += ["--directory", str(tmp_path / "witness"), "--name", "witness.example"]
    for _ in range(KEPT - 1):
        await log.release()
    await log.integrate_all()

    async def run(*more: str) -> int:
        return await asyncio.to_thread(main, [*arguments, *more])

    return run


async def test_it_cosigns_what_continues_and_everyone_can_see_it(
    log: TestedLog,
    client: AuditClient,
    witness: WitnessKey,
    watch: Watch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (await client.get("/v1/audit/cosigned")).status_code == 404
    assert await watch("--submit") == 0
    await log.release()
    await log.integrate_all()
    assert await watch("--submit") == 0
    assert await watch("--submit") == 0, "there is nothing new, and it signs that"
    said = capsys.readouterr().out
    assert f"at {KEPT} entries, for the first time" in said
    assert f"at {KEPT + 1} entries, continuing {KEPT}" in said
    note = (await client.content("/v1/audit/cosigned")).decode()
    checkpoint = open_checkpoint(note, log.key, ed25519_verify)
    assert checkpoint.size == KEPT + 1
    [found] = cosignatures_of(note, checkpoint, [witness], ed25519_verify)
    assert found.witness == witness
    assert stat.S_IMODE((tmp_path / "witness" / "witness.key").stat().st_mode) == 0o600
    await log.release()
    await log.integrate_all()
    arguments = [str(client.http.base_url), "--key", log.key.printed]
    arguments += ["--document", str(log.document.id), "--witness"]
    assert await asyncio.to_thread(verify, [*arguments, witness.printed]) == 0
    assert f"witness.example cosigned the log at {KEPT + 1} entries" in capsys.readouterr().out
    other = Witness(tmp_path / "other", "witness.example").key
    assert await asyncio.to_thread(verify, [*arguments, other.printed]) == 1


CHANGES = {
    "rolled back": [
        f"DELETE FROM audit_leaves WHERE tenant_id = $1 AND leaf_index >= {KEPT - 1}",
        f"DELETE FROM audit_nodes WHERE tenant_id = $1 AND (index + 1) << level > {KEPT - 1}",
        f"DELETE FROM audit_checkpoints WHERE tenant_id = $1 AND size > {KEPT - 1}",
    ],
    "written anew": [
        "DELETE FROM audit_leaves WHERE tenant_id = $1",
        "DELETE FROM audit_numbers WHERE tenant_id = $1",
        "DELETE FROM audit_nodes WHERE tenant_id = $1",
        "DELETE FROM audit_checkpoints WHERE tenant_id = $1",
        "INSERT INTO audit_pending (tenant_id, event_id)"
        " SELECT tenant_id, id FROM audit_events WHERE tenant_id = $1",
        "UPDATE audit_events SET purpose = 'care' WHERE tenant_id = $1 AND type = 'release'",
    ],
}


@pytest.mark.parametrize("change", CHANGES)
async def test_it_signs_no_other_history_and_keeps_the_contradiction(
    log: TestedLog,
    client: AuditClient,
    watch: Watch,
    change: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await log.integrate_all()
    earlier = []
    for _ in range(2):  # one checkpoint for each, so that there is one to go back to
        await log.release()
        await log.integrate_all()
        earlier.append((await log.checkpoint())[0])
    assert await watch() == 0
    before = sorted((tmp_path / "witness").iterdir())
    if change == "rolled back":
        size = KEPT + 1
        await log.tamper(
            *(
                each.replace(f">= {KEPT - 1}", f">= {size}").replace(f"> {KEPT - 1}", f"> {size}")
                for each in CHANGES[change]
            )
        )
    else:
        await log.tamper(*CHANGES[change])
        await log.integrate_all()
    assert await watch() == 1
    said = capsys.readouterr().out
    assert ("[rolled_back]" if change == "rolled back" else "[rewritten]") in said
    new = set((tmp_path / "witness").iterdir()) - set(before)
    [evidence] = new
    contradicting = open_checkpoint(evidence.read_text(), log.key, ed25519_verify)
    kept = Witness(tmp_path / "witness", "witness.example").last(log.key)
    assert kept is not None
    assert kept.size == KEPT + 2
    assert contradicting != kept
    assert await watch() == 1, "and it goes on saying so"


async def test_a_log_that_lost_what_it_signed_says_so_to_the_witness(
    log: TestedLog, client: AuditClient, witness: WitnessKey, watch: Watch, tmp_path: Path
) -> None:
    assert await watch() == 0
    cosigned = next((tmp_path / "witness").glob("*.checkpoint")).read_text()
    await log.tamper("DELETE FROM audit_checkpoints WHERE tenant_id = $1")
    refused = await submit(client, cosigned)
    assert refused == (409, "checkpoint_unknown")


async def test_only_known_witnesses_of_this_log_are_accepted(
    log: TestedLog, client: AuditClient, witness: WitnessKey, watch: Watch, tmp_path: Path
) -> None:
    assert await watch() == 0
    cosigned = next((tmp_path / "witness").glob("*.checkpoint")).read_text()
    note, checkpoint = await log.checkpoint()
    assert cosigned.startswith(note)
    line = cosigned.removeprefix(note)
    for altered in (
        note,
        cosigned.replace(line[-12:-4], "AAAAAAAA"),
        cosigned.replace(f"\n{KEPT}\n", f"\n{KEPT - 1}\n"),
        cosigned.replace("witness.example", "other.example"),
        "rubbish",
        "\x00",
    ):
        assert (await submit(client, altered))[0] in (400, 422)
    damaged = cosigned.replace(line[-12:-4], "AAAAAAAA")
    with pytest.raises(NoteNotValid):
        cosignatures_of(damaged, checkpoint, [witness], ed25519_verify)
    assert (await client.get("/v1/audit/cosigned")).status_code == 404
    assert (await submit(client, cosigned))[0] == 200
    assert (await submit(client, cosigned))[0] == 200, "again, and it changes nothing"
    assert len(await log.rows("SELECT FROM audit_cosignatures WHERE tenant_id = $1")) == 1


async def test_a_witness_without_access_says_that_it_could_not_look(
    log: TestedLog, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONGROOM_TOKEN", "nobody")
    assert await watch() == 2


async def submit(client: AuditClient, note: str) -> tuple[int, str]:
    token = f"{client.owner.person_id}/{client.owner.role}"
    answer = await client.http.post(
        "/v1/audit/cosignatures",
        json={"checkpoint": note},
        headers={"Authorization": f"Bearer {token}"},
    )
    return answer.status_code, answer.json().get("code", "")
