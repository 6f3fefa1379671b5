"""Records: checked by their schema, patched by fields, shared by fields, searched by fields."""

from __future__ import annotations

import json
from uuid import uuid4

from tests.integration.running.people import (
    PURPOSE,
    Json,
    Person,
    grant_body,
    json_of,
    problem_of,
    signed_up,
)
from tests.integration.running.program import Program

PATCH = {"Content-Type": "application/merge-patch+json"}
SCHEMA = {
    "title": "Patient",
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string", "maxLength": 200},
        "born": {"type": "string", "format": "date", "x-searchable": False},
        "secret": {"type": "string", "x-sensitive": True},
        "diagnosis": {"type": "string"},
        "weight": {"type": "number"},
        "visits": {
            "type": "array",
            "items": {"type": "object", "properties": {"note": {"type": "string"}}},
        },
    },
    "additionalProperties": False,
}
CONTENT = {
    "name": "Canary Rao",
    "born": "1984-02-29",
    "secret": "zebrafinch password",
    "diagnosis": "A broken clavicle after a fall from a ladder.",
    "weight": 71.5,
    "visits": [{"note": "Kingfisher splint applied."}, {"note": "Healing as expected."}],
}


async def schema(person: Person) -> str:
    name = f"p{uuid4().hex[:20]}"
    made = await person.http.put(f"/v1/schemas/{name}", json=SCHEMA)
    assert made.status_code == 201, made.text
    return name


async def record(person: Person, **terms: object) -> Json:
    body = {"schema": await schema(person), "data": CONTENT} | terms
    made = await person.http.post("/v1/records", json=body)
    assert made.status_code == 201, made.text
    return json_of(made)


async def until_searchable(person: Person, record_id: str, version: int = 1) -> None:
    for _ in range(400):
        answer = json_of(await person.http.get(f"/v1/records/{record_id}"))
        if answer["searchable_version"] == version:
            return
    raise AssertionError(answer)


async def share(person: Person, record_id: str, to: Person, fields: list[str] | None) -> Json:
    body = grant_body(record_id, to.email)
    body |= {"resource": {"kind": "record", "id": record_id}, "fields": fields}
    answer = await person.http.post("/v1/grants", json=body)
    assert answer.status_code == 201, answer.text
    return json_of(answer)


async def found(person: Person, query: str, **asked: object) -> list[Json]:
    body = {"query": query, "purpose": PURPOSE, "mode": "keyword"} | asked
    answer = await person.http.post("/v1/search", json=body)
    assert answer.status_code == 200, answer.text
    items: list[Json] = json_of(answer)["items"]
    return items


async def test_a_record_from_its_beginning_to_its_end(asha: Person) -> None:
    made = await record(asha)
    assert made["data"] == CONTENT
    assert (made["title"], made["fields"], made["version"]) == ("Patient", None, 1)
    path = f"/v1/records/{made['id']}"
    problem_of(await asha.http.patch(path, json={"weight": 70}, headers=PATCH), [428])
    match = PATCH | {"If-Match": '"1"'}
    changed = await asha.http.patch(
        path, json={"weight": 70, "born": None, "visits": []}, headers=match
    )
    assert changed.status_code == 200, changed.text
    rest = {name: value for name, value in CONTENT.items() if name != "born"}
    assert json_of(changed)["data"] == rest | {"weight": 70, "visits": []}
    assert changed.headers["etag"] == '"2"'
    problem_of(await asha.http.patch(path, json={"weight": 1}, headers=match), [412])
    first = json_of(await asha.http.get(path, params={"version": 1}))
    assert first["data"] == CONTENT
    versions = json_of(await asha.http.get(f"{path}/versions"))["items"]
    assert [each["version"] for each in versions] == [1, 2]
    one = json_of(await asha.http.get(path, params={"fields": "/name"}))
    assert one["data"] == {"name": "Canary Rao"}
    some = json_of(await asha.http.get(path, params={"fields": "/name,/weight,/never"}))
    assert some["data"] == {"name": "Canary Rao", "weight": 70}
    assert some["fields"] == ["/name", "/never", "/weight"]
    listed = json_of(await asha.http.get("/v1/records"))["items"]
    assert made["id"] in {each["id"] for each in listed}
    documents = json_of(await asha.http.get("/v1/documents", params={"limit": 200}))["items"]
    assert made["id"] not in {each["id"] for each in documents}
    erased = json_of(await asha.http.delete(path))
    assert set(erased["residue"].values()) == {0}
    problem_of(await asha.http.get(path), [404])


async def test_whoever_may_not_patch_a_record_reads_nothing_of_it_by_trying(
    asha: Person, ben: Person
) -> None:
    made = await record(asha, index_mode="none")
    path = f"/v1/records/{made['id']}"
    terms = grant_body(made["id"], ben.email, purpose="personal_use", max_uses=5)
    terms["resource"]["kind"] = "record"
    grant = json_of(await asha.http.post("/v1/grants", json=terms))
    for match in ('"1"', "*"):
        tried = await ben.http.patch(path, json={"weight": 1}, headers=PATCH | {"If-Match": match})
        problem_of(tried, [404])
    assert json_of(await ben.http.get(f"/v1/grants/{grant['id']}"))["uses_left"] == 5
    accesses = json_of(await asha.http.get(f"/v1/documents/{made['id']}/accesses"))["items"]
    assert {each["person_id"] for each in accesses} == {asha.id}
    changed = await asha.http.patch(path, json={"weight": 1}, headers=PATCH | {"If-Match": "*"})
    assert (changed.status_code, changed.headers["etag"]) == (200, '"2"')


async def test_a_version_that_a_schema_does_not_have_is_what_is_to_blame(asha: Person) -> None:
    made = await record(asha)
    path, match = f"/v1/records/{made['id']}", PATCH | {"If-Match": '"1"'}
    body = {"schema": made["schema"]["name"], "data": CONTENT}
    for asked, pointer in (
        (asha.http.post("/v1/records", json=body | {"schema": "nobodys"}), "/schema"),
        (
            asha.http.post("/v1/records", json=body | {"schema": "nobodys", "schema_version": 1}),
            "/schema",
        ),
        (asha.http.post("/v1/records", json=body | {"schema_version": 9}), "/schema_version"),
        (
            asha.http.patch(path, params={"schema_version": 9}, json={}, headers=match),
            "/query/schema_version",
        ),
    ):
        problem = problem_of(await asked, [400])
        assert problem["code"] == "schema_unknown"
        assert [each["pointer"] for each in problem["errors"]] == [pointer]


async def test_what_the_schema_does_not_allow_is_named_and_changes_nothing(asha: Person) -> None:
    name = await schema(asha)
    wrong = CONTENT | {"weight": "heavy", "nope": 1, "visits": [{"note": 7}]}
    refused = await asha.http.post("/v1/records", json={"schema": name, "data": wrong})
    problem = problem_of(refused, [400])
    assert {each["pointer"] for each in problem["errors"]} >= {
        "/data/weight",
        "/data/visits/0/note",
    }
    assert "heavy" not in refused.text
    unknown = {"schema": "no-such", "data": {}}
    problem = problem_of(await asha.http.post("/v1/records", json=unknown), [400])
    assert problem["errors"][0]["pointer"] == "/schema"
    made = await record(asha)
    match = PATCH | {"If-Match": '"1"'}
    path = f"/v1/records/{made['id']}"
    refused = await asha.http.patch(path, json={"name": None}, headers=match)
    problem_of(refused, [400])
    assert json_of(await asha.http.get(path))["version"] == 1
    big = {"schema": name, "data": {"name": "x" * 300_000}}
    problem_of(await asha.http.post("/v1/records", json=big), [413])


async def test_fields_that_were_not_granted_leave_no_trace(running: Program) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        made = await record(asha, title="Secretly titled")
        path, purpose = f"/v1/records/{made['id']}", {"purpose": PURPOSE}
        problem_of(await ben.http.get(path, params=purpose), [404])
        granted = await share(asha, made["id"], ben, ["/name", "/visits/1/note", "/weight"])
        answer = await ben.http.get(path, params=purpose)
        shown = json_of(answer)
        assert shown["data"] == {
            "name": "Canary Rao",
            "weight": 71.5,
            "visits": [None, {"note": "Healing as expected."}],
        }
        assert shown["title"] is None
        assert shown["fields"] == ["/name", "/visits/1/note", "/weight"]
        for hidden in ("zebrafinch", "clavicle", "Kingfisher", "1984", "Secretly"):
            assert hidden not in answer.text
        problem_of(await ben.http.get(path, params=purpose | {"fields": "/secret"}), [404])
        only = await ben.http.get(path, params=purpose | {"fields": "/visits"})
        assert json_of(only)["data"] == {"visits": [None, {"note": "Healing as expected."}]}
        some = json_of(await ben.http.get(path, params=purpose | {"fields": "/secret,/weight"}))
        assert (some["data"], some["fields"]) == ({"weight": 71.5}, ["/weight"])
        for part in ("", "/content", "/text"):
            other = f"/v1/documents/{made['id']}{part}"
            problem_of(await ben.http.get(other, params=purpose), [404])
            problem_of(await asha.http.get(other), [404])
        problem_of(await asha.http.delete(f"/v1/documents/{made['id']}"), [404])
        accesses = json_of(await asha.http.get(f"/v1/documents/{made['id']}/accesses"))["items"]
        assert len([each for each in accesses if each["person_id"] == ben.id]) == 3
        await asha.http.post(f"/v1/grants/{granted['id']}/revoke")
        problem_of(await ben.http.get(path, params=purpose), [404])


async def test_a_search_finds_only_the_fields_that_were_granted(running: Program) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        made = await record(asha)
        await until_searchable(asha, made["id"])
        own = await found(asha, "broken clavicle ladder")
        assert [each["field"] for each in own] == ["/diagnosis"]
        assert own[0]["title"] == "Patient"
        for hidden in ("zebrafinch password", "1984-02-29"):
            assert await found(asha, hidden) == []

        await share(asha, made["id"], ben, ["/visits", "/name"])
        (hit,) = await found(ben, "kingfisher splint")
        assert (hit["field"], hit["text"]) == ("/visits/0/note", "Kingfisher splint applied.")
        assert await found(ben, "broken clavicle ladder") == []
        semantic = await found(ben, "an injury of the shoulder", mode="hybrid", limit=50)
        assert {each["field"] for each in semantic} == {
            "/name",
            "/visits/0/note",
            "/visits/1/note",
        }
        await share(asha, made["id"], ben, ["/diagnosis"])
        (other,) = await found(ben, "broken clavicle ladder")
        assert other["field"] == "/diagnosis"

        match = PATCH | {"If-Match": '"1"'}
        patch = {"visits": [{"note": "Heron cast applied."}]}
        await asha.http.patch(f"/v1/records/{made['id']}", json=patch, headers=match)
        await until_searchable(asha, made["id"], 2)
        assert await found(ben, "kingfisher splint") == []
        assert len(await found(ben, "heron cast")) == 1


async def test_hidden_fields_move_no_score(running: Program) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        told = []
        for diagnosis in ("Nothing.", "Kingfisher kingfisher splint, splint and kingfisher. " * 20):
            made = await record(asha, data=CONTENT | {"diagnosis": diagnosis})
            await until_searchable(asha, made["id"])
            granted = await share(asha, made["id"], ben, ["/visits"])
            hits = await found(ben, "kingfisher splint expected")
            told.append([(each["field"], each["text"], each["score"]) for each in hits])
            await asha.http.post(f"/v1/grants/{granted['id']}/revoke")
        assert told[0] == told[1]
        assert len(told[0]) == 2


async def test_a_chat_quotes_only_the_fields_that_were_granted(running: Program) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        made = await record(asha)
        await until_searchable(asha, made["id"])
        await share(asha, made["id"], ben, ["/visits"])
        begun = json_of(await ben.http.post("/v1/conversations", json={"title": "Visits"}))
        question = {
            "content": "Was a kingfisher splint applied to the broken clavicle?",
            "purpose": PURPOSE,
        }
        path = f"/v1/conversations/{begun['id']}/messages"
        asked = await ben.http.post(path, json=question)
        run_id = json_of(asked)["run"]["id"]
        lines: list[str] = []
        async with ben.http.stream("GET", f"/v1/runs/{run_id}/events", timeout=30) as events:
            async for line in events.aiter_lines():
                lines.append(line)
        said = "\n".join(lines)
        assert "clavicle" not in said
        cited = [json.loads(each.removeprefix("data:")) for each in lines if "verified" in each]
        assert {each["field"] for each in cited} <= {"/visits/0/note", "/visits/1/note"}
        assert "Kingfisher splint applied." in {each["quote"] for each in cited}
