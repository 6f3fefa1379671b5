"""Evidence is sealed at rest, opened to whom it concerns, and gone with what it is about."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters.encryption.canonical_json import canonical_json
from adapters.identifiers import uuid7
from adapters.postgres.audit_events import AuditedResource, record_event
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import EvidenceKey, PostgresEvidence
from application.audit.prove_entry import EntryProof
from domain.audit.leaf import opens
from domain.audit.proof import is_included
from domain.audit.tree import leaf_hash
from domain.errors import NotFound
from domain.identity import PERSONAL_USE, Action, Caller, DocumentId, VersionRef
from domain.vault.document import Document
from tests.integration.audit.conftest import CallerIn, TestedLog
from tests.integration.conftest import add_text

SECRET_REASON = "grants-that-nobody-else-is-told-of"
Evidence = dict[str, object]


def evidence_about(document: Document, *, permitted: bool = True) -> Evidence:
    return {"about": str(document.id), "why": SECRET_REASON, "outcome": {"permitted": permitted}}


async def written(
    log: TestedLog,
    actor: Caller,
    documents: Sequence[Document],
    *,
    type: str = "release",  # noqa: A002
    absent: Sequence[DocumentId] = (),
) -> UUID:
    """An event as the gate writes it, with evidence on each document."""
    evidence = log.container.evidence()
    sealing = await evidence.sealing(actor)
    event_id = uuid7()
    async with transaction(evidence.engine, actor.tenant_id, actor.person_id) as connection:
        await record_event(
            connection,
            actor,
            sealing,
            event_id=event_id,
            type=type,
            at=None,
            action=Action.READ,
            resources=[
                AuditedResource(
                    document_id=each.id,
                    version=1,
                    evidence=evidence_about(each, permitted=type == "release"),
                    evidence_key=await key_of(log, each),
                )
                for each in documents
            ]
            + [AuditedResource(document_id=each, version=1) for each in absent],
            body={"denied": [SECRET_REASON]},
        )
    await log.integrate_all()
    return event_id


async def key_of(log: TestedLog, document: Document) -> EvidenceKey:
    [row] = await log.rows(
        "SELECT id, public_key FROM data_keys"
        " WHERE tenant_id = $1 AND resource_id = $2 AND kind = 'evidence'",
        document.id,
    )
    return EvidenceKey(id=row["id"], public_key=row["public_key"])


async def proven(log: TestedLog, caller: Caller, event_id: UUID) -> EntryProof:
    """The proof for the caller, which holds, and opens what is in the leaf."""
    proof = await log.prove_entry(caller=caller, event_id=event_id)
    _, checkpoint = await log.checkpoint()
    assert is_included(
        leaf_hash=leaf_hash(proof.leaf),
        index=proof.proof.index,
        size=checkpoint.size,
        proof=proof.proof.hashes,
        root=checkpoint.root,
    )
    assert proof.opening is not None
    assert opens(json.loads(proof.leaf), proof.opening)
    return proof


def told(proof: EntryProof) -> dict[DocumentId, Any]:
    """Evidence by document, of the documents that are opened."""
    assert proof.opening is not None
    return {
        each.document_id: each.evidence and json.loads(each.evidence)
        for each in proof.opening.resources
    }


@pytest.fixture
async def two_owners(log: TestedLog, caller_in: CallerIn) -> tuple[Caller, Document]:
    """Another owner, with a document."""
    other = await caller_in(log.owner.tenant_id)
    return other, await add_text(log.container, other, "Someone else's.", "Theirs")


async def test_a_release_is_explained_to_the_owners_and_to_whoever_acted(
    log: TestedLog, caller_in: CallerIn, two_owners: tuple[Caller, Document]
) -> None:
    other, theirs = two_owners
    reader = await caller_in(log.owner.tenant_id)
    event = await written(log, reader, [log.document, theirs])
    mine, their_own = evidence_about(log.document), evidence_about(theirs)
    assert told(await proven(log, log.owner, event)) == {log.document.id: mine}
    assert told(await proven(log, other, event)) == {theirs.id: their_own}
    proof = await proven(log, reader, event)
    assert told(proof) == {log.document.id: mine, theirs.id: their_own}
    assert proof.opening is not None
    assert proof.opening.body == canonical_json({"denied": [SECRET_REASON]})
    with pytest.raises(NotFound):
        await log.prove_entry(caller=await caller_in(log.owner.tenant_id), event_id=event)


async def test_a_denial_is_explained_to_the_owner_alone(
    log: TestedLog, caller_in: CallerIn
) -> None:
    stranger = await caller_in(log.owner.tenant_id)
    event = await written(log, stranger, [log.document], type="denial")
    expected = evidence_about(log.document, permitted=False)
    assert told(await proven(log, log.owner, event)) == {log.document.id: expected}
    proof = await proven(log, stranger, event)
    assert told(proof) == {log.document.id: None}
    assert proof.opening is not None
    assert proof.opening.body is None


async def test_what_does_not_exist_is_committed_to_like_what_is_hidden(
    log: TestedLog, caller_in: CallerIn
) -> None:
    """Else whoever asked would read in the leaf what exists."""
    stranger = await caller_in(log.owner.tenant_id)
    nobodys = DocumentId(uuid7())
    event = await written(log, stranger, [log.document], type="denial", absent=[nobodys])
    proof = await proven(log, stranger, event)
    shown = json.loads(proof.leaf)["resources"]
    assert [len(each["evidence_commitment"]) for each in shown] == [64, 64]
    assert told(proof) == {log.document.id: None, nobodys: None}
    for asked in (log.document.current.ref, VersionRef(document_id=nobodys, version=0)):
        with pytest.raises(NotFound):
            await log.container.gate()(
                caller=stranger, action=Action.READ, purpose=PERSONAL_USE, versions=[asked]
            )
    await log.integrate_all()
    denials = await log.rows(
        "SELECT leaf, sealed_evidence FROM audit_leaves"
        " JOIN audit_openings USING (tenant_id, event_id)"
        " WHERE tenant_id = $1 ORDER BY leaf_index DESC LIMIT 2"
    )
    committed = ("resource_h", "evidence_commitment")
    shapes = [
        [
            (name, len(value) if name in committed else value)
            for name, value in json.loads(each["leaf"])["resources"][0].items()
        ]
        for each in denials
    ]
    assert shapes[0] == shapes[1]
    assert all(each["sealed_evidence"] for each in denials)


async def test_nothing_of_evidence_or_body_lies_in_the_clear(
    log: TestedLog, caller_in: CallerIn
) -> None:
    event = await written(log, await caller_in(log.owner.tenant_id), [log.document])
    for table in ("audit_openings", "audit_bodies", "audit_resources", "audit_leaves"):
        rows = await log.rows(
            f"SELECT t::text AS row, * FROM {table} t WHERE tenant_id = $1 AND event_id = $2", event
        )
        assert rows, table
        for row in rows:
            stored = b"".join(each for each in row.values() if isinstance(each, bytes))
            assert SECRET_REASON.encode() not in stored + row["row"].encode(), table
    [body] = await log.rows(
        "SELECT body FROM audit_bodies WHERE tenant_id = $1 AND event_id = $2", event
    )
    assert body["body"] is None


async def test_erasing_a_document_takes_its_evidence_out_of_every_event_and_no_other(
    log: TestedLog, caller_in: CallerIn, two_owners: tuple[Caller, Document]
) -> None:
    other, theirs = two_owners
    reader = await caller_in(log.owner.tenant_id)
    alone = await written(log, reader, [log.document])
    both = await written(log, reader, [log.document, theirs])
    leaves = {each: (await proven(log, reader, each)).leaf for each in (alone, both)}

    receipt = await log.container.erase_document()(caller=log.owner, document_id=log.document.id)
    assert receipt.erasure.destroyed["log_openings"] == 3, "two releases, and that it was stored"
    assert receipt.erasure.residue["log_openings"] == 0

    for event, opened in ((alone, {}), (both, {theirs.id: evidence_about(theirs)})):
        proof = await proven(log, reader, event)
        assert proof.leaf == leaves[event], "the leaf is what it was"
        assert told(proof) == opened
    assert told(await proven(log, other, both)) == {theirs.id: evidence_about(theirs)}
    with pytest.raises(NotFound):
        await log.prove_entry(caller=log.owner, event_id=both)
    left = await log.rows(
        "SELECT event_id FROM audit_openings WHERE tenant_id = $1 AND document_id = $2",
        log.document.id,
    )
    erased = await log.rows(
        "SELECT id FROM audit_events WHERE tenant_id = $1 AND type = 'key_destroyed'"
    )
    assert [each["event_id"] for each in left] == [each["id"] for each in erased]


async def test_evidence_written_while_its_document_is_erased_opens_for_nobody(
    log: TestedLog, caller_in: CallerIn
) -> None:
    """A release that was deciding meanwhile commits later: its row stays, the key is gone."""
    reader = await caller_in(log.owner.tenant_id)
    key = await key_of(log, log.document)
    await log.container.erase_document()(caller=log.owner, document_id=log.document.id)
    evidence = log.container.evidence()
    event = uuid7()
    async with transaction(evidence.engine, reader.tenant_id, reader.person_id) as connection:
        await record_event(
            connection,
            reader,
            await evidence.sealing(reader),
            event_id=event,
            type="release",
            at=None,
            resources=[
                AuditedResource(
                    document_id=log.document.id,
                    version=1,
                    evidence=evidence_about(log.document),
                    evidence_key=key,
                )
            ],
        )
    await log.integrate_all()
    assert told(await proven(log, reader, event)) == {log.document.id: None}


async def test_the_database_gives_the_keys_of_evidence_to_whom_it_concerns(
    log: TestedLog, caller_in: CallerIn, two_owners: tuple[Caller, Document]
) -> None:
    _, theirs = two_owners
    reader, stranger = [await caller_in(log.owner.tenant_id) for _ in range(2)]
    release = await written(log, reader, [log.document, theirs])
    denial = await written(log, stranger, [log.document], type="denial")
    evidence: PostgresEvidence = log.container.evidence()

    async def taken(caller: Caller, event: UUID) -> set[UUID]:
        async with transaction(evidence.engine, caller.tenant_id, caller.person_id) as connection:
            rows = await evidence.opening_keys(connection, [event])
        return {row.resource_id for row in rows}

    assert await taken(log.owner, release) == {log.document.id}
    assert await taken(reader, release) == {log.document.id, theirs.id, reader.person_id}
    assert await taken(stranger, release) == set()
    assert await taken(log.owner, denial) == {log.document.id}
    assert await taken(stranger, denial) == {stranger.person_id}
    assert await taken(reader, denial) == set()


async def test_openings_are_deleted_by_erasing_ones_own_document_and_not_otherwise(
    log: TestedLog, caller_in: CallerIn
) -> None:
    stranger = await caller_in(log.owner.tenant_id)
    await written(log, stranger, [log.document])
    engine = log.container.engine()
    async with transaction(engine, stranger.tenant_id, stranger.person_id) as connection:
        erased = await connection.execute(
            text("SELECT erase_openings(:document)"), {"document": log.document.id}
        )
        assert erased.scalar_one() == 0
    for forbidden in ("DELETE FROM audit_openings", "UPDATE audit_openings SET salt = salt"):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with transaction(engine, log.owner.tenant_id, log.owner.person_id) as connection:
                await connection.execute(text(forbidden))


async def test_a_document_of_before_there_was_evidence_gets_its_key_when_it_is_first_read(
    log: TestedLog,
) -> None:
    await log.tamper(
        f"DELETE FROM data_keys WHERE tenant_id = $1 AND resource_id = '{log.document.id}'"
        " AND kind = 'evidence'"
    )
    await log.release()
    assert await key_of(log, log.document)


async def test_an_event_of_version_1_is_integrated_and_proven_as_before(log: TestedLog) -> None:
    """Written by a process of the release before, which knows neither commitments nor openings."""
    event = uuid7()
    owner, document = log.owner, log.document
    async with transaction(log.container.engine(), owner.tenant_id) as connection:
        values = {"t": owner.tenant_id, "e": event, "p": owner.person_id, "d": document.id}
        for each in (
            "INSERT INTO audit_events (tenant_id, id, type, at, actor_id, action, policy_version)"
            " VALUES (:t, :e, 'release', clock_timestamp(), :p, 'read', '1')",
            "INSERT INTO audit_bodies (tenant_id, event_id, salt, body)"
            " VALUES (:t, :e, decode(repeat('07', 32), 'hex'), '{\"old\": 1}')",
            "INSERT INTO audit_resources (tenant_id, event_id, document_id, version)"
            " VALUES (:t, :e, :d, 1)",
        ):
            names = {name: values[name] for name in values if f":{name}" in each}
            await connection.execute(text(each.replace('{"old": 1}', r'{"old"\: 1}')), names)
    await log.integrate_all()
    proof = await proven(log, owner, event)
    assert json.loads(proof.leaf)["v"] == 1
    assert proof.opening is not None
    assert proof.opening.body == b'{"old":1}'
    assert [each.document_id for each in proof.opening.resources] == [document.id]
