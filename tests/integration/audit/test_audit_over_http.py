"""Who may ask the log for what, and in which form it answers."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.encryption.signatures import ed25519_verify
from adapters.identifiers import uuid7
from application.audit.ports import AccessFilter
from application.ports import Release
from domain.audit.checkpoint import log_name, open_checkpoint
from domain.audit.leaf import opens
from domain.audit.note import VerifierKey
from domain.audit.proof import is_included
from domain.audit.tlog_proof import TlogProof
from domain.audit.tree import leaf_hash
from domain.consent.terms import Terms
from domain.identity import PERSONAL_USE, Action, Caller, ResourceKind, ResourceRef
from domain.vault.document import Document
from entrypoints.verifier.entry import opened
from tests.integration.audit.conftest import AuditClient, CallerIn, TestedLog
from tests.integration.conftest import add_text, new_tenant


@pytest.fixture
async def reader(log: TestedLog, caller_in: CallerIn) -> Caller:
    """Another person, to whom the owner's document is shared."""
    reader = await caller_in(log.owner.tenant_id)
    await share(log, log.owner, reader, log.document)
    return reader


async def share(log: TestedLog, owner: Caller, reader: Caller, document: Document) -> None:
    terms = Terms(
        resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=document.id),
        actions=frozenset({Action.READ}),
        purpose=PERSONAL_USE,
        not_before=None,
        expires_at=datetime.now(UTC) + timedelta(days=1),
        max_uses=None,
    )
    give = log.container.give_grant()
    await give(caller=owner, grantee=reader.person_id, terms=terms)


async def proof_for(client: AuditClient, release: Release, caller: Caller) -> dict[str, Any]:
    return json.loads(await client.content(f"/v1/audit/events/{release.id}/proof", caller))


async def test_checkpoint_and_key_are_what_note_verifiers_read(
    log: TestedLog, client: AuditClient
) -> None:
    assert (await client.get("/v1/audit/checkpoint")).status_code == 404
    await log.integrate_all()
    answer = await client.get("/v1/audit/checkpoint")
    key = VerifierKey.parse((await client.content("/v1/audit/key")).decode())
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert key.name == log_name(log.owner.tenant_id)
    assert open_checkpoint(answer.text, key, ed25519_verify).size == 1


async def test_actor_and_owner_have_the_proof_and_nobody_else(
    log: TestedLog, client: AuditClient, reader: Caller, caller_in: CallerIn
) -> None:
    release = await log.release(caller=reader)
    path = f"/v1/audit/events/{release.id}/proof"
    early = await client.get(path)
    assert (early.status_code, early.json()["code"]) == (409, "entry_not_integrated")
    await log.integrate_all()
    stranger = await caller_in(log.owner.tenant_id)
    refused = await client.get(path, stranger)
    unknown = await client.get(f"/v1/audit/events/{uuid7()}/proof", stranger)
    assert refused.status_code == unknown.status_code == 404
    volatile = {"instance", "request_id"}
    assert {k: v for k, v in refused.json().items() if k not in volatile} == {
        k: v for k, v in unknown.json().items() if k not in volatile
    }
    for caller in (log.owner, reader):
        shown = await proof_for(client, release, caller)
        proof = TlogProof.parse(shown["proof"])
        checkpoint = open_checkpoint(proof.checkpoint, log.key, ed25519_verify)
        assert is_included(
            leaf_hash=leaf_hash(shown["leaf"].encode()),
            index=proof.index,
            size=checkpoint.size,
            proof=proof.hashes,
            root=checkpoint.root,
        )
        leaf = json.loads(shown["leaf"])
        assert leaf["resources"][0]["release_seq"] == 1
        assert leaf["resources"][0]["grant_epoch"] == 1
        assert opens(leaf, opened(shown["opening"]))
        assert shown["opening"]["actor"]["person_id"] == str(reader.person_id)


async def test_an_owner_is_not_told_which_documents_of_others_were_released_with_it(
    log: TestedLog, client: AuditClient, reader: Caller, caller_in: CallerIn
) -> None:
    other_owner = await caller_in(log.owner.tenant_id)
    others = await add_text(log.container, other_owner, "Someone else's.", "Theirs")
    await share(log, other_owner, reader, others)
    release = await log.release(log.document, others, caller=reader)
    await log.integrate_all()
    for caller, documents in (
        (log.owner, {log.document.id}),
        (other_owner, {others.id}),
        (reader, {log.document.id, others.id}),
    ):
        shown = await proof_for(client, release, caller)
        told = {each["document_id"] for each in shown["opening"]["resources"]}
        assert told == {str(each) for each in documents}
        assert (shown["opening"]["body"] is not None) is (caller is reader)
        hidden = {log.document.id, others.id} - documents
        assert not any(str(each) in json.dumps(shown) for each in hidden)


async def test_why_something_was_denied_is_told_to_nobody(
    log: TestedLog, client: AuditClient, caller_in: CallerIn
) -> None:
    stranger = await caller_in(log.owner.tenant_id)
    with pytest.raises(Exception, match="nothing here for you"):
        await log.release(caller=stranger)
    await log.integrate_all()
    events = json.loads(await client.content("/v1/audit/events", stranger))["items"]
    assert [each["type"] for each in events] == ["denial"]
    proof = json.loads(await client.content(f"/v1/audit/events/{events[0]['id']}/proof", stranger))
    assert proof["opening"]["body"] is None


async def test_accesses_are_listed_by_number_for_the_owner_only(
    log: TestedLog, client: AuditClient, reader: Caller
) -> None:
    releases = [await log.release(caller=reader), await log.release()]
    await log.integrate_all()
    releases.append(await log.release(caller=reader))
    path = f"/v1/documents/{log.document.id}/accesses"
    listed = json.loads(await client.content(path))
    assert [each["number"] for each in listed["items"]] == [1, 2, None]
    assert [each["integrated"] for each in listed["items"]] == [True, True, False]
    assert [each["event_id"] for each in listed["items"]] == [str(each.id) for each in releases]
    assert listed["items"][0]["grant_id"] is not None
    assert listed["items"][1]["grant_id"] is None
    first = json.loads(await client.content(f"{path}?limit=1"))
    assert (len(first["items"]), first["next_after"]) == (1, 1)
    rest = json.loads(await client.content(f"{path}?after=1"))
    assert [each["number"] for each in rest["items"]] == [2, None]
    assert (await client.get(path, reader)).status_code == 404
    assert (await client.get(f"{path}?after=-1")).status_code == 400


async def test_own_events_are_listed_page_by_page(
    log: TestedLog, client: AuditClient, reader: Caller
) -> None:
    releases = [await log.release(caller=reader) for _ in range(3)]
    await log.integrate_all()
    seen: list[dict[str, Any]] = []
    cursor = ""
    while cursor is not None:
        query = f"?limit=2{cursor and '&cursor='}{cursor}"
        page = json.loads(await client.content(f"/v1/audit/events{query}", reader))
        seen += page["items"]
        cursor = page["next_cursor"]
    assert [each["id"] for each in seen] == [str(each.id) for each in releases]
    assert [each["resources"][0]["number"] for each in seen] == [1, 2, 3]
    assert all(each["index"] is not None for each in seen)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("", "from"),
        ("?from=0", "from"),
        ("?from=2&to=1", "from"),
        ("?from=1&to=99", "to"),
        ("?from=99", "from"),
        ("?from=x", "from"),
        ("?old=1", "old"),
    ],
)
async def test_sizes_that_cannot_be_proven_are_refused(
    log: TestedLog, client: AuditClient, query: str, pointer: str
) -> None:
    await log.release()
    await log.integrate_all()
    refused = await client.get(f"/v1/audit/consistency{query}")
    assert refused.status_code == 400
    assert [each["pointer"] for each in refused.json()["errors"]] == [f"/query/{pointer}"]


async def test_logs_of_tenants_are_apart(
    log: TestedLog, client: AuditClient, database: Any, caller_in: CallerIn
) -> None:
    release = await log.release()
    await log.integrate_all()
    stranger = await caller_in(await new_tenant(database))
    assert not await log.trail.entries(stranger, [release.id])
    assert await log.trail.checkpoint(stranger.tenant_id) is None
    everything = AccessFilter()
    assert not await log.trail.accesses(
        stranger, log.document.id, only=everything, after=0, limit=9
    )
