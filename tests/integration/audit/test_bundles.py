"""A bundle is verified offline, whole; whatever is altered in it is noticed and named."""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from adapters.identifiers import uuid7
from adapters.postgres.audit_events import AuditedResource, record_event
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import EvidenceKey
from adapters.postgres.tables import data_keys
from application.ports import Tampered
from domain.consent.grant import Grant
from domain.errors import NotFound
from domain.identity import PERSONAL_USE, Action, Caller, GrantId
from entrypoints.verifier.command import main
from tests.integration.audit.conftest import AuditClient, CallerIn, TestedLog
from tests.integration.audit.test_audit_over_http import share

Json = dict[str, Any]


@pytest.fixture
async def reader(log: TestedLog, caller_in: CallerIn) -> Caller:
    reader = await caller_in(log.owner.tenant_id)
    await share(log, log.owner, reader, log.document)
    return reader


@pytest.fixture
async def bundle(log: TestedLog, client: AuditClient, reader: Caller) -> Json:
    """Five releases: two of the owner's, one of them beside another document; three by a grant."""
    other = await log.another_document()
    await log.release()
    for _ in range(2):
        await log.release(caller=reader)
    await log.integrate_all()
    await log.release(log.document, other)
    await log.release(caller=reader)
    await log.integrate_all()
    return await fetched(client, log)


async def fetched(client: AuditClient, log: TestedLog, query: str = "") -> Json:
    content = await client.content(f"/v1/documents/{log.document.id}/accesses/bundle{query}")
    found: Json = json.loads(content)
    return found


Verified = Callable[[Json], tuple[int, str]]


@pytest.fixture
def verified(log: TestedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verified:
    def run(bundle: Json) -> tuple[int, str]:
        path = tmp_path / "bundle.json"
        path.write_text(json.dumps(bundle))
        capsys.readouterr()
        status = main([str(path), "--key", log.key.printed])
        return status, capsys.readouterr().out

    return run


async def test_all_releases_are_proven_and_decided_again(
    log: TestedLog, bundle: Json, verified: Verified, reader: Caller
) -> None:
    status, said = verified(bundle)
    assert status == 0, said
    assert f"document {log.document.id}: 5 entries are in the log, with the releases 1 to 5" in said
    assert "5 decisions were made again, and came out as they were logged" in said
    assert f"person {reader.person_id}: read, for personal_use: 3" in said
    assert f"the document is person {log.owner.person_id}'s" in said
    told = json.dumps(bundle)
    assert told.count('"document_id"') > 5
    assert len({json.loads(each["leaf"])["event_id"] for each in bundle["entries"]}) == 5


def _grants(bundle: Json, place: int) -> Json:
    resource = bundle["entries"][place]["opening"]["resources"][0]
    evidence: Json = json.loads(resource["evidence"]["text"])
    return evidence


ALTERATIONS: dict[str, Callable[[Json], object]] = {
    "first left out": lambda b: b["entries"].pop(0),
    "middle left out": lambda b: b["entries"].pop(2),
    "swapped": lambda b: b["entries"].insert(0, b["entries"].pop(1)),
    "given twice": lambda b: b["entries"].insert(1, b["entries"][0]),
    "begins later": lambda b: b.update(after=1),
    "of another index": lambda b: b["entries"][1].update(index=b["entries"][2]["index"]),
    "of another event": lambda b: b["entries"][1].update(event_id=b["entries"][2]["event_id"]),
    "hash left out": lambda b: b["entries"][0]["hashes"].pop(),
    "opening exchanged": lambda b: b["entries"][1].update(opening=b["entries"][3]["opening"]),
    "opening withheld": lambda b: b["entries"][1].update(opening=None),
    "resource withheld": lambda b: b["entries"][1]["opening"].update(resources=[]),
    "other actor": lambda b: b["entries"][1]["opening"]["actor"].update(
        person_id=b["entries"][0]["opening"]["actor"]["person_id"]
    ),
    "other evidence": lambda b: b["entries"][1]["opening"]["resources"][0]["evidence"].update(
        text=json.dumps(_grants(b, 1) | {"owner_id": _grants(b, 1)["request"]["person_id"]})
    ),
    "another document": lambda b: b.update(document_id=b["entries"][0]["event_id"]),
    "another format": lambda b: b.update(format="strongroom-accesses@v0"),
    "nothing of an entry": lambda b: b["entries"].append({}),
}


async def test_whatever_is_altered_is_noticed(bundle: Json, verified: Verified) -> None:
    missed = []
    for what, alter in ALTERATIONS.items():
        altered = copy.deepcopy(bundle)
        alter(altered)
        assert altered != bundle, f"{what} landed nowhere"
        status, said = verified(altered)
        if status != 1 or "FAIL" not in said:
            missed.append(what)
    assert missed == []


async def test_one_hole_is_one_finding(bundle: Json, verified: Verified) -> None:
    bundle["entries"].pop(2)
    _, said = verified(bundle)
    assert said.count("FAIL") == 1
    assert "has the release numbers [4], and 3 was next [gap]" in said


async def test_an_administrators_invented_release_contradicts_its_evidence(
    log: TestedLog, client: AuditClient, bundle: Json, verified: Verified, reader: Caller
) -> None:
    """The grant was revoked, and yet the rows say that something was released under it."""
    [grant] = await log.rows("SELECT id FROM grants WHERE tenant_id = $1")
    await log.tamper(
        f"UPDATE grants SET revoked_at = now() WHERE tenant_id = $1 AND id = '{grant['id']}'"
    )
    with pytest.raises(NotFound):
        await log.release(caller=reader)
    await log.tamper(
        "UPDATE audit_events SET type = 'release' WHERE tenant_id = $1 AND type = 'denial'"
    )
    await log.integrate_all()
    status, said = verified(await fetched(client, log))
    assert status == 1
    assert "the decision was denied (revoked) [decision_differs]" in said


async def test_evidence_that_is_left_out_or_empty_does_not_pass_for_a_decision(
    log: TestedLog, client: AuditClient, bundle: Json, verified: Verified
) -> None:
    """Else whoever logs a release that nothing permitted would show no evidence of it."""
    withheld = copy.deepcopy(bundle)
    withheld["entries"][1]["opening"]["resources"][0]["evidence"] = None
    status, said = verified(withheld)
    assert (status, "1 decisions could not be made again" in said) == (2, True), said
    assert "Everything holds" not in said
    event_id = bundle["entries"][1]["event_id"]
    proof = json.loads(await client.content(f"/v1/audit/events/{event_id}/proof"))
    assert verified(proof)[0] == 0
    for each in proof["opening"]["resources"]:
        each["evidence"] = None
    assert verified(proof)[0] == 2

    await _release_without_deciding(log)
    await log.integrate_all()
    status, said = verified(await fetched(client, log))
    assert (status, "1 decisions could not be made again" in said) == (2, True), said


@pytest.mark.parametrize("lie", ["owner", "terms", "revoked"])
async def test_made_up_evidence_contradicts_that_of_others(
    log: TestedLog, client: AuditClient, bundle: Json, verified: Verified, reader: Caller, lie: str
) -> None:
    """It is in the log, signed, and its decision replays: an administrator wrote it."""
    [genuine] = bundle["entries"][4]["opening"]["resources"]
    evidence = json.loads(genuine["evidence"]["text"])
    consents = log.container.consents()
    async with consents.begin(reader) as tx:
        grant = await tx.grant(GrantId(UUID(evidence["outcome"]["grant_id"])))
    assert grant is not None
    if lie == "owner":
        evidence |= {"owner_id": str(reader.person_id), "grants": []}
        evidence["outcome"]["grant_id"] = None
    elif lie == "terms":
        evidence["grants"][0]["actions"] = ["export", "read"]
    else:
        withdraw = log.container.withdraw_consent()
        await withdraw(caller=log.owner, consent_id=grant.consent_id)
        await share(log, log.owner, reader, log.document)
        await log.release(caller=reader)
        evidence["at"] = datetime.now(UTC).isoformat(timespec="microseconds")
    await _release_without_deciding(log, reader, evidence, grant=None if lie == "owner" else grant)
    await log.integrate_all()
    status, said = verified(await fetched(client, log))
    codes = {
        "owner": "other_owner",
        "terms": "other_terms",
        "revoked": "permitted_after_revocation",
    }
    assert (status, said.count("FAIL")) == (1, 1), said
    assert f"[{codes[lie]}]" in said


async def _release_without_deciding(
    log: TestedLog,
    caller: Caller | None = None,
    evidence: Json | None = None,
    grant: Grant | None = None,
) -> None:
    """As code would write it that shows things whatever was granted."""
    caller = caller or log.owner
    sealing = await log.container.evidence().sealing(caller)
    async with transaction(log.container.engine(), caller.tenant_id) as connection:
        key = (
            await connection.execute(
                select(data_keys.c.id, data_keys.c.public_key).where(
                    data_keys.c.resource_id == log.document.id, data_keys.c.kind == "evidence"
                )
            )
        ).one()
        await record_event(
            connection,
            caller,
            sealing,
            event_id=uuid7(),
            type="release",
            at=None,
            action=Action.READ,
            purpose=PERSONAL_USE,
            resources=[
                AuditedResource(
                    document_id=log.document.id,
                    version=1,
                    grant=grant,
                    evidence=evidence,
                    evidence_key=EvidenceKey(id=key.id, public_key=key.public_key),
                )
            ],
        )


async def test_what_is_nested_without_end_is_malformed_and_no_accident(
    log: TestedLog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = tmp_path / "deep.json"
    deep.write_text("[" * 100_000)
    assert main([str(deep), "--key", log.key.printed]) == 1
    assert "[malformed]" in capsys.readouterr().out


async def test_pages_of_a_bundle_go_on_where_the_one_before_ended(
    log: TestedLog, client: AuditClient, bundle: Json, verified: Verified
) -> None:
    numbers, after, pages = [], 0, 0
    while True:
        page = await fetched(client, log, f"?limit=2&after={after}")
        status, said = verified(page)
        assert status == 0, said
        for each in page["entries"]:
            leaf = json.loads(each["leaf"])
            numbers += [r["release_seq"] for r in leaf["resources"] if r["release_seq"]]
        pages += 1
        if page["next_after"] is None:
            break
        after = page["next_after"]
    assert pages == 3
    assert set(numbers) >= {1, 2, 3, 4, 5}


async def test_a_verifier_reads_it_from_the_service_itself(
    log: TestedLog,
    client: AuditClient,
    bundle: Json,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    address = str(client.http.base_url)
    monkeypatch.setenv("STRONGROOM_TOKEN", f"{log.owner.person_id}/auditor")
    kept = tmp_path / "kept"
    kept.write_text(bundle["checkpoint"])
    await log.release()
    await log.integrate_all()
    arguments = [address, "--key", log.key.printed, "--checkpoint", str(kept)]
    arguments += ["--document", str(log.document.id), "--tree"]
    assert await asyncio.to_thread(main, arguments) == 0
    said = capsys.readouterr().out
    assert "with the releases 1 to 6" in said
    assert "is the signed one" in said
    assert "kept earlier" in said

    monkeypatch.setenv("STRONGROOM_TOKEN", "nobody")
    assert await asyncio.to_thread(main, arguments) == 2
    capsys.readouterr()
    monkeypatch.setenv("STRONGROOM_TOKEN", f"{log.owner.person_id}/member")
    assert await asyncio.to_thread(main, arguments) == 2
    said = capsys.readouterr().out
    assert "with the releases 1 to 6" in said
    assert "They are for auditors" in said
    assert "Not everything could be checked." in said
    assert "FAIL" not in said
    assert "NOT hold" not in said
    monkeypatch.setenv("STRONGROOM_TOKEN", f"{log.owner.person_id}/auditor")
    await log.tamper(
        "UPDATE audit_leaves SET leaf = convert_to(replace(convert_from(leaf, 'UTF8'),"
        " 'personal_use', 'care'), 'UTF8') WHERE tenant_id = $1 AND leaf_index = 4"
    )
    assert await asyncio.to_thread(main, arguments) == 1


async def test_a_bundle_is_for_the_owner_alone(
    log: TestedLog, client: AuditClient, bundle: Json, reader: Caller
) -> None:
    for path in ("accesses/bundle", "denials"):
        refused = await client.get(f"/v1/documents/{log.document.id}/{path}", reader)
        assert refused.status_code == 404


async def test_accesses_are_filtered_and_keep_their_numbers(
    log: TestedLog, client: AuditClient, bundle: Json, reader: Caller
) -> None:
    path = f"/v1/documents/{log.document.id}/accesses"
    everything = json.loads(await client.content(path))["items"]

    async def numbers(**wanted: object) -> list[int]:
        query = "&".join(f"{name}={value}" for name, value in wanted.items())
        return [e["number"] for e in json.loads(await client.content(f"{path}?{query}"))["items"]]

    grant = everything[1]["grant_id"]
    third = everything[2]["at"].replace("+00:00", "Z")
    assert await numbers(person_id=reader.person_id) == [2, 3, 5]
    assert await numbers(person_id=reader.person_id, after=2) == [3, 5]
    assert await numbers(grant_id=grant) == [2, 3, 5]
    assert await numbers(since=third) == [3, 4, 5]
    assert await numbers(until=third) == [1, 2]
    assert await numbers(action="read", purpose="personal_use") == [1, 2, 3, 4, 5]
    assert await numbers(action="quote") == []
    assert await numbers(purpose="care") == []
    wrong = await client.get(f"{path}?action=peek")
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (400, "/query/action")


async def test_an_owner_sees_who_was_refused_and_why(
    log: TestedLog, client: AuditClient, bundle: Json, reader: Caller, caller_in: CallerIn
) -> None:
    stranger = await caller_in(log.owner.tenant_id)
    for _ in range(2):
        with pytest.raises(NotFound):
            await log.release(caller=stranger)
    await log.tamper("UPDATE grants SET revoked_at = now() WHERE tenant_id = $1")
    with pytest.raises(NotFound):
        await log.release(caller=reader)
    path = f"/v1/documents/{log.document.id}/denials"
    told = [
        (each["person_id"], each["version"], each["reason"], each["integrated"])
        for each in json.loads(await client.content(path))["items"]
    ]
    assert told == [
        (str(stranger.person_id), 1, "no_grant", False),
        (str(stranger.person_id), 1, "no_grant", False),
        (str(reader.person_id), 1, "revoked", False),
    ]
    await log.integrate_all()
    first = json.loads(await client.content(f"{path}?limit=1"))
    assert [each["integrated"] for each in first["items"]] == [True]
    rest = json.loads(await client.content(f"{path}?limit=9&cursor={first['next_cursor']}"))
    assert len(rest["items"]) == 2
    mine = json.loads(await client.content(f"{path}?person_id={reader.person_id}"))["items"]
    assert [each["reason"] for each in mine] == ["revoked"]


FALSE_FAILURES: dict[str, tuple[Callable[[Json], object], str]] = {
    "given twice": (lambda b: b["failures"].append(b["failures"][0]), "repeated"),
    "a release in its place": (lambda b: b["failures"].append(b["entries"][0]), "not_a_failure"),
    "its release left out": (lambda b: b["entries"].pop(), "other_release"),
    "not said of which": (lambda b: b["failures"][0].update(opening=None), "not_opened"),
    "of another index": (lambda b: b["failures"][0].update(index=0), "not_included"),
    "another reason": (
        lambda b: b["failures"][0]["opening"]["resources"][0]["evidence"].update(
            text=json.dumps({"reason": "missing", "release_id": b["entries"][-1]["event_id"]})
        ),
        "opening_differs",
    ),
    "nothing of it": (lambda b: b["failures"].append({}), "malformed"),
}


async def test_failures_are_proven_and_are_of_releases_that_are_told(
    log: TestedLog, client: AuditClient, bundle: Json, verified: Verified, reader: Caller
) -> None:
    release = await log.release(caller=reader)
    with pytest.raises(Tampered):
        async with log.container.release_failures().logged(reader, [release.id]):
            raise Tampered("cut")
    await log.integrate_all()
    failed = await fetched(client, log)
    status, said = verified(failed)
    assert status == 0, said
    assert "with the releases 1 to 6" in said, "a failure takes no number"
    assert "1 of these releases failed, as the log says too, and were not shown" in said
    assert "altered: 1" in said
    assert "6 decisions were made again" in said
    missed = []
    for what, (alter, code) in FALSE_FAILURES.items():
        altered = copy.deepcopy(failed)
        alter(altered)
        status, said = verified(altered)
        if status != 1 or f"[{code}]" not in said:
            missed.append(what)
    assert missed == []


async def test_a_bundle_is_narrowed_as_the_list_is_and_claims_no_more_than_it_proves(
    log: TestedLog, client: AuditClient, bundle: Json, verified: Verified, reader: Caller
) -> None:
    only = f"person_id={reader.person_id}&action=read"
    narrowed = await fetched(client, log, f"?{only}")
    listed = json.loads(await client.content(f"/v1/documents/{log.document.id}/accesses?{only}"))
    assert [each["event_id"] for each in narrowed["entries"]] == [
        each["event_id"] for each in listed["items"]
    ]
    assert len(narrowed["entries"]) == 3
    assert narrowed["only"]["person_id"] == str(reader.person_id)
    assert bundle["only"] is None
    status, said = verified(narrowed)
    assert status == 0, said
    assert "3 entries are in the log, with some of the releases after 0" in said
    assert f"of action read, person_id {reader.person_id} alone" in said
    assert "cannot prove" in said
    assert "releases 1 to" not in said
    # What it does not say of itself it cannot be: numbers are missing.
    _, said = verified(narrowed | {"only": None})
    assert "[gap]" in said
    _, said = verified(bundle | {"only": narrowed["only"]})
    assert said.count("[not_asked_for]") == 2
    _, said = verified(narrowed | {"entries": narrowed["entries"][::-1]})
    assert "[order]" in said
    _, said = verified(narrowed | {"only": narrowed["only"] | {"version": 1}})
    assert "[malformed]" in said


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("purpose=personal_use", 5),
        ("purpose=care", 0),
        ("since=2020-01-01T00:00:00Z", 5),
        ("until=2020-01-01T00:00:00Z", 0),
        ("action=search", 0),
    ],
)
async def test_every_filter_is_checked_by_the_verifier(
    log: TestedLog,
    client: AuditClient,
    bundle: Json,
    verified: Verified,
    query: str,
    count: int,
) -> None:
    narrowed = await fetched(client, log, f"?{query}")
    assert len(narrowed["entries"]) == count
    status, said = verified(narrowed)
    assert status == 0, said
    _, said = verified(bundle | {"only": narrowed["only"]})
    assert said.count("[not_asked_for]") == 5 - count


async def test_a_bundle_of_one_grant_goes_on_page_by_page(
    log: TestedLog, client: AuditClient, bundle: Json, verified: Verified
) -> None:
    [grant] = await log.rows("SELECT id FROM grants WHERE tenant_id = $1")
    first = await fetched(client, log, f"?grant_id={grant['id']}&limit=2")
    rest = await fetched(
        client, log, f"?grant_id={grant['id']}&limit=2&after={first['next_after']}"
    )
    assert [len(first["entries"]), len(rest["entries"])] == [2, 1]
    assert rest["next_after"] is None
    for page in (first, rest):
        status, said = verified(page)
        assert status == 0, said
