"""Whoever was told of an event holds a promise of the log, and can show that it was broken."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from adapters.encryption.canonical_json import canonical_json
from adapters.encryption.signatures import ed25519_verify
from adapters.inprocess.log_signer import KeyServiceLogSigner
from application.audit.promise_entry import PromiseEntry
from domain.audit.note import NoteNotValid
from domain.audit.promise import open_promise
from domain.errors import NotFound
from domain.identity import Caller
from entrypoints.verifier.command import main
from tests.integration.audit.conftest import AuditClient, CallerIn, TestedLog

Verify = Callable[..., Awaitable[int]]


@pytest.fixture
def verify(
    log: TestedLog, client: AuditClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Verify:
    async def run(promise: str) -> int:
        (tmp_path / "promise").write_text(promise)
        monkeypatch.setenv("STRONGROOM_TOKEN", f"{log.owner.person_id}/member")
        arguments = [str(client.http.base_url), "--key", log.key.printed]
        return await asyncio.to_thread(main, [*arguments, "--promise", str(tmp_path / "promise")])

    return run


async def promise_for(log: TestedLog, event: object, within: timedelta, who: Caller) -> str:
    signer = KeyServiceLogSigner(signer=log.container.key_service())
    promise = PromiseEntry(trail=log.trail, signer=signer, canonical=canonical_json, within=within)
    return await promise(caller=who, event_id=event)  # type: ignore[arg-type]


async def test_a_promise_is_had_before_the_log_and_kept_by_it(
    log: TestedLog, client: AuditClient, verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    await log.integrate_all()
    release = await log.release()
    path = f"/v1/audit/events/{release.id}"
    promised = (await client.content(f"{path}/promise")).decode()
    promise = open_promise(promised, log.key, ed25519_verify)
    assert promise.within == timedelta(seconds=60)
    assert (await client.get(f"{path}/proof")).status_code == 409
    assert await verify(promised) == 0
    assert "it is to be in the log by" in capsys.readouterr().out
    await log.integrate_all()
    assert await verify(promised) == 0
    assert "it is what was promised" in capsys.readouterr().out
    assert (await client.content(f"{path}/promise")).decode() == promised, "it does not change"


async def test_a_promise_is_for_who_acted_and_the_owner(
    log: TestedLog, client: AuditClient, caller_in: CallerIn
) -> None:
    release = await log.release()
    stranger = await caller_in(log.owner.tenant_id)
    refused = await client.get(f"/v1/audit/events/{release.id}/promise", stranger)
    assert refused.status_code == 404
    with pytest.raises(NotFound):
        await promise_for(log, release.id, timedelta(seconds=1), stranger)


async def test_an_event_that_never_reaches_the_log_is_a_broken_promise(
    log: TestedLog, verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    await log.integrate_all()
    release = await log.release()
    kept = await promise_for(log, release.id, timedelta(seconds=60), log.owner)
    late = await promise_for(log, release.id, timedelta(seconds=1), log.owner)
    await log.tamper(
        f"DELETE FROM audit_pending WHERE tenant_id = $1 AND event_id = '{release.id}'"
    )
    await log.integrate_all()
    await asyncio.sleep(1.1)
    assert await verify(kept) == 0, "there is time left"
    assert await verify(late) == 1
    assert "[promise_broken]" in capsys.readouterr().out
    await log.tamper(f"DELETE FROM audit_events WHERE tenant_id = $1 AND id = '{release.id}'")
    assert await verify(late) == 1, "nor does it help to deny that there was an event"


async def test_another_entry_than_the_promised_one_is_a_broken_promise(
    log: TestedLog, verify: Verify, capsys: pytest.CaptureFixture[str]
) -> None:
    release = await log.release()
    promised = await promise_for(log, release.id, timedelta(seconds=60), log.owner)
    await log.tamper(
        "UPDATE audit_events SET at = at + interval '1 hour'"
        f" WHERE tenant_id = $1 AND id = '{release.id}'"
    )
    await log.integrate_all()
    assert await verify(promised) == 1
    assert "[promise_broken]" in capsys.readouterr().out


async def test_a_promise_that_was_altered_is_none(log: TestedLog, verify: Verify) -> None:
    await log.integrate_all()
    release = await log.release()
    promised = await promise_for(log, release.id, timedelta(seconds=60), log.owner)
    for altered in (
        promised.replace("within 60", "within 600"),
        promised.replace(str(release.id), str(log.document.id)),
        promised.replace("/promise", ""),
        "",
    ):
        with pytest.raises(NoteNotValid):
            open_promise(altered, log.key, ed25519_verify)
        assert await verify(altered) == 1
    other = dataclasses.replace(log.key, name=f"{log.key.name}x")
    with pytest.raises(NoteNotValid):
        open_promise(promised, other, ed25519_verify)
    note, _ = await checkpoint_of(log)
    with pytest.raises(NoteNotValid):
        open_promise(note, log.key, ed25519_verify)


async def checkpoint_of(log: TestedLog) -> tuple[str, int]:
    await log.integrate_all()
    note, checkpoint = await log.checkpoint()
    return note, checkpoint.size


async def test_a_promise_is_no_checkpoint(
    log: TestedLog, client: AuditClient, tmp_path: Path
) -> None:
    release = await log.release()
    promised = await promise_for(log, release.id, timedelta(seconds=60), log.owner)
    await log.integrate_all()
    proof = json.loads(await client.content(f"/v1/audit/events/{release.id}/proof"))
    (tmp_path / "kept").write_text(promised)
    (tmp_path / "proof").write_text(json.dumps(proof))
    arguments = [str(tmp_path / "proof"), "--key", log.key.printed]
    assert main(arguments) == 0
    assert main([*arguments, "--checkpoint", str(tmp_path / "kept")]) == 1
