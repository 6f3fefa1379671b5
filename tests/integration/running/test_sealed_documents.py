"""Documents whose index is sealed: found like others, read only against a release, in no table."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import pytest

from tests.integration.canaries import canary as new_canary
from tests.integration.running.audit_faults import by_error, by_hanging, by_revocation
from tests.integration.running.dump import hits, tables
from tests.integration.running.people import (
    PURPOSE,
    Json,
    Person,
    grant_body,
    json_of,
    problem_of,
    signed_up,
)
from tests.integration.running.program import Program, ending
from tests.integration.running.test_collections import collection, put, share
from tests.integration.running.test_records import until_searchable

DOCUMENTS_MAX = 4
LEASE = "The tenant of the flat pays a deposit of three months, and it is returned at the end."


@pytest.fixture(scope="module")
async def program(built_models: Path, places: Callable[[], Path]) -> AsyncIterator[Program]:
    bounded = Program(places(), models=built_models, search_sealed_documents_max=DOCUMENTS_MAX)
    async with ending(bounded):
        await bounded.start()
        yield bounded


@pytest.fixture
async def owner(program: Program) -> AsyncIterator[Person]:
    async with signed_up(program, "Asha") as person:
        yield person


@pytest.fixture
async def grantee(program: Program) -> AsyncIterator[Person]:
    async with signed_up(program, "Ben") as person:
        yield person


async def sealed(person: Person, content: str, **fields: str) -> str:
    return str((await person.ready(content, index_mode="sealed", **fields))["id"])


async def search(person: Person, query: str, **asked: object) -> Json:
    answer = await person.http.post(
        "/v1/search", json={"query": query, "purpose": PURPOSE, **asked}
    )
    assert answer.status_code == 200, answer.text
    return json_of(answer)


async def finds(person: Person, query: str, **asked: object) -> list[str]:
    return [each["document_id"] for each in (await search(person, query, **asked))["items"]]


async def accesses(person: Person, document: str) -> list[Json]:
    answer = await person.http.get(f"/v1/documents/{document}/accesses")
    return [each for each in json_of(answer)["items"] if each["action"] != "derive"]


async def test_it_is_found_by_its_words_and_by_what_it_means(owner: Person) -> None:
    lease = await sealed(owner, LEASE, title="Lease")
    for query, mode in [
        ("deposits", "keyword"),
        ("money that a renter gets back", "semantic"),
        ("how much is the deposit", "hybrid"),
        ("depos", "keyword"),  # down the ladder
        ("dposit", "keyword"),
    ]:
        found = await search(owner, query, mode=mode, explain=True)
        assert [each["document_id"] for each in found["items"]] == [lease], query
        assert (found["items"][0]["text"], found["items"][0]["title"]) == (LEASE, "Lease")
        assert found["explain"]["sealed_documents"] == found["explain"]["visible_passages"] == 1
    assert await finds(owner, "deposit", results="documents") == [lease]
    assert await finds(owner, "elephants", mode="keyword") == []


async def test_it_stands_among_others_where_it_belongs(owner: Person) -> None:
    unlike = str((await owner.ready("Bicycles stand in the yard, beside the deposit."))["id"])
    lease = await sealed(owner, LEASE)
    another = str((await owner.ready(f"{LEASE} A deposit is paid by the tenant."))["id"])
    asked = "what deposit does the tenant pay"
    before = await search(owner, asked)
    assert {each["document_id"] for each in before["items"]} == {unlike, lease, another}
    await change(owner, lease, "clear")
    after = await search(owner, asked)
    assert [(each["document_id"], each["text"]) for each in before["items"]] == [
        (each["document_id"], each["text"]) for each in after["items"]
    ]
    assert [each["score"] for each in before["items"]] == pytest.approx(
        [each["score"] for each in after["items"]], abs=2e-3
    )


async def test_a_grant_finds_it_for_its_purpose_until_it_is_withdrawn(
    owner: Person, grantee: Person
) -> None:
    lease = await sealed(owner, LEASE)
    assert await finds(grantee, "deposit") == []
    grant = await owner.grant(lease, grantee)
    assert await finds(grantee, "deposit") == [lease]
    assert await finds(grantee, "deposit", purpose="care") == []
    assert await finds(grantee, "deposit", purpose="personal_use") == []
    gone = await owner.http.post(f"/v1/grants/{grant['id']}/revoke")
    assert gone.status_code == 200, gone.text
    assert await finds(grantee, "deposit") == []
    made = await collection(owner)
    await put(owner, made, lease)
    await share(owner, made, grantee)
    assert await finds(grantee, "deposit") == [lease]


async def test_each_search_that_examined_it_is_an_access_found_or_not(
    program: Program, owner: Person, grantee: Person
) -> None:
    lease, other = await sealed(owner, LEASE), await sealed(owner, "Bicycles stand in the yard.")
    await owner.grant(lease, grantee)
    asked = ["deposit", "elephants", "money back"]
    for query in asked:
        await search(grantee, query, mode="keyword" if query == "elephants" else "hybrid")
    told = await accesses(owner, lease)
    assert [(each["action"], each["person_id"]) for each in told] == [("search", grantee.id)] * 3
    assert await accesses(owner, other) == []
    assert await finds(owner, "deposit", filters={"document_ids": [other]}) == [other]
    assert len(await accesses(owner, lease)) == 3


async def test_a_use_is_taken_by_each_search_that_examines_it(
    owner: Person, grantee: Person
) -> None:
    lease = await sealed(owner, LEASE)
    await owner.grant(lease, grantee, max_uses=2)
    assert await finds(grantee, "deposit") == [lease]
    assert await finds(grantee, "elephants", mode="keyword") == []
    assert await finds(grantee, "deposit") == []


@pytest.mark.parametrize(
    "fault",
    [
        by_error("audit_events"),
        by_revocation("INSERT", "audit_resources"),
        by_hanging("audit_events"),
    ],
    ids=["error", "privilege", "hanging"],
)
async def test_while_no_release_can_be_written_nothing_is_examined(
    program: Program, owner: Person, fault: Callable[[asyncpg.Connection], object]
) -> None:
    lease = await sealed(owner, LEASE)
    administrator = await asyncpg.connect(program.database_url)
    try:
        async with fault(administrator):  # type: ignore[attr-defined]
            answer = await owner.http.post("/v1/search", json={"query": "deposit"}, timeout=30.0)
            problem_of(answer, [503])
            assert "deposit" not in answer.text
    finally:
        await administrator.close()
    assert await finds(owner, "deposit") == [lease]
    assert len(await accesses(owner, lease)) == 1


async def test_what_is_more_than_the_bound_is_left_out_and_said_to_be(owner: Person) -> None:
    ids = [await sealed(owner, f"{LEASE} Number {number}.") for number in range(DOCUMENTS_MAX + 2)]
    found = await search(owner, "deposit", limit=50)
    assert sorted(each["document_id"] for each in found["items"]) == sorted(ids[2:])
    assert found["degraded"] == [{"step": "sealed", "reason": "too_many", "left_out": 2}]
    narrowed = await search(owner, "deposit", filters={"document_ids": ids[:2]})
    assert sorted(each["document_id"] for each in narrowed["items"]) == sorted(ids[:2])
    assert narrowed["degraded"] == []


async def test_of_a_record_only_granted_fields_are_examined(owner: Person, grantee: Person) -> None:
    name = f"s{uuid.uuid4().hex}"
    await owner.http.put(f"/v1/schemas/{name}", json={"type": "object"})
    content = {"diagnosis": "A fracture of the wing.", "note": "The heron was fed with herrings."}
    body = {"schema": name, "data": content, "index_mode": "sealed"}
    record = json_of(await owner.http.post("/v1/records", json=body))["id"]
    await until_searchable(owner, record)
    (own,) = (await search(owner, "fracture", mode="keyword"))["items"]
    assert (own["field"], own["text"]) == ("/diagnosis", content["diagnosis"])
    terms = grant_body(record, grantee.email, fields=["/note"])
    terms["resource"] = {"kind": "record", "id": record}
    made = await owner.http.post("/v1/grants", json=terms)
    assert made.status_code == 201, made.text
    for mode in ("keyword", "hybrid", "semantic"):
        found = await search(grantee, "fracture of the wing", mode=mode, explain=True)
        assert {each["field"] for each in found["items"]} <= {"/note"}
        assert "fracture" not in str(found)
        assert found["explain"]["visible_passages"] == 1
    (hit,) = (await search(grantee, "herring", mode="keyword"))["items"]
    assert (hit["field"], hit["text"]) == ("/note", content["note"])


async def test_answers_quote_it_for_those_who_may(owner: Person, grantee: Person) -> None:
    lease = await sealed(owner, LEASE)
    for person in (owner, grantee):
        path = "/v1/conversations"
        begun = json_of(await person.http.post(path, json={"title": "Deposits"}))["id"]
        if person is grantee:
            assert "citation" not in await _ask(grantee, begun)
            grant = await owner.grant(lease, grantee)
        told = await _ask(person, begun)
        assert "event: citation" in told
        assert lease in told
    before = await accesses(owner, lease)
    assert [each["action"] for each in before] == ["quote", "quote"]
    await owner.http.post(f"/v1/grants/{grant['id']}/revoke")
    assert "citation" not in await _ask(grantee, begun)


async def _ask(person: Person, conversation: str) -> str:
    path = f"/v1/conversations/{conversation}/messages"
    body = {"content": "Which deposit does the tenant pay?", "purpose": PURPOSE}
    run = json_of(await person.http.post(path, json=body))["run"]["id"]
    return (await person.http.get(f"/v1/runs/{run}/events")).text


async def change(person: Person, document: str, index_mode: str) -> None:
    path = f"/v1/documents/{document}/index-mode"
    answer = await person.http.put(path, json={"index_mode": index_mode})
    assert answer.status_code == 202, answer.text
    assert json_of(answer)["index_mode"] == index_mode
    assert (await person.until_ended(document))["state"] == "ready"


async def test_nothing_of_it_lies_in_any_table(
    program: Program, owner: Person, figure: Callable[[str], None]
) -> None:
    canaries = {each: new_canary(f"{each}okapi") for each in ("text", "title", "field")}
    text = f"The {canaries['text']} stood in the reeds. Il était dans les roseaux."
    document = await owner.ready(text, title=canaries["title"])
    assert {each.split(" in ")[1] for each in hits(await tables(program), canaries)} == {
        "public.postings"
    }
    path = f"/v1/documents/{document['id']}/index-mode"
    answer = await owner.http.put(path, json={"index_mode": "sealed"})
    assert answer.status_code == 202
    at_once = hits(await tables(program), canaries)  # whether it was indexed anew by now or not
    await owner.until_ended(document["id"])
    name = f"s{uuid.uuid4().hex}"
    await owner.http.put(f"/v1/schemas/{name}", json={"type": "object"})
    body = {"schema": name, "data": {canaries["field"]: text}, "index_mode": "sealed"}
    record = json_of(await owner.http.post("/v1/records", json=body))["id"]
    await until_searchable(owner, record)
    assert set(await finds(owner, canaries["text"], mode="keyword")) == {document["id"], record}
    assert await finds(owner, canaries["title"], mode="keyword") == [document["id"]]
    dump = await tables(program)
    found = hits(dump, canaries)
    figure(f"{len(found)} hits of {len(canaries)} canaries in {len(dump)} tables")
    assert at_once == found == []
    connection = await asyncpg.connect(program.database_url)
    try:
        for id_ in (document["id"], record):
            clear = await connection.fetchrow(
                "SELECT (SELECT count(*) FROM postings WHERE document_id = $1) AS postings,"
                " (SELECT count(*) FROM passage_vectors WHERE document_id = $1) AS vectors,"
                " (SELECT sum(lexeme_count) FROM passages WHERE document_id = $1) AS lexemes,"
                " (SELECT count(page) + count(field) FROM passages WHERE document_id = $1) AS told,"
                " (SELECT count(language) FROM versions WHERE document_id = $1) AS languages",
                id_,
            )
            assert set(clear.values()) == {0}, dict(clear)
    finally:
        await connection.close()


async def test_the_mode_can_be_changed_and_what_was_kept_before_is_gone(
    owner: Person, grantee: Person
) -> None:
    document = str((await owner.ready(LEASE))["id"])
    for mode in ("sealed", "clear", "none", "sealed", "none", "clear"):
        await change(owner, document, mode)
        assert await finds(owner, "deposit") == ([] if mode == "none" else [document])
        assert await finds(grantee, "deposit") == []
    path = f"/v1/documents/{document}/index-mode"
    problem_of(await grantee.http.put(path, json={"index_mode": "none"}), [404])
    problem = problem_of(await owner.http.put(path, json={"index_mode": "naked"}), [400])
    assert problem["errors"][0]["pointer"] == "/index_mode"
    problem_of(
        await owner.http.put(f"/v1/records/{document}/index-mode", json={"index_mode": "none"}),
        [404],
    )
    erased = json_of(await owner.http.delete(f"/v1/documents/{document}"))
    assert set(erased["residue"].values()) == {0}


async def test_erasing_it_leaves_nothing_sealed(program: Program, owner: Person) -> None:
    lease = await sealed(owner, LEASE)
    await finds(owner, "deposit")
    erased = json_of(await owner.http.delete(f"/v1/documents/{lease}"))
    assert erased["destroyed"]["sealed_entries"] == 1
    assert set(erased["residue"].values()) == {0}
    assert await finds(owner, "deposit") == []
