"""Schemas are declared once, versioned for ever, and seen by everybody in the tenant."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest

from tests.integration.running.people import Json, Person, json_of, problem_of, signed_up
from tests.integration.running.program import Program, command

PATIENT: Json = {
    "title": "Patient",
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "maxLength": 200}},
}


@pytest.fixture
def name() -> str:
    return f"patient-{uuid4().hex[:12]}"


async def test_a_schema_is_declared_read_and_listed(asha: Person, ben: Person, name: str) -> None:
    made = await asha.http.put(f"/v1/schemas/{name}", json=PATIENT)
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    shown = json_of(made)
    assert (shown["schema"], shown["title"], shown["owner_id"]) == (PATIENT, "Patient", asha.id)
    seen = await ben.http.get(f"/v1/schemas/{name}")
    assert (json_of(seen), seen.headers["etag"]) == (shown, '"1"')
    listed = json_of(await ben.http.get("/v1/schemas", params={"limit": 200}))["items"]
    assert {key: value for key, value in shown.items() if key != "schema"} in listed


async def test_pages_of_schemas_follow_each_other_by_name(asha: Person) -> None:
    names = sorted(f"page-{uuid4().hex[:8]}" for _ in range(3))
    for each in names:
        await asha.http.put(f"/v1/schemas/{each}", json=PATIENT)
    found: list[str] = []
    cursor: Json = {}
    while True:
        page = json_of(await asha.http.get("/v1/schemas", params={"limit": 1, **cursor}))
        found += [item["name"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == sorted(found)
    assert set(names) <= set(found)


async def test_a_next_version_names_the_one_it_follows_and_changes_none(
    asha: Person, name: str
) -> None:
    path = f"/v1/schemas/{name}"
    problem_of(await asha.http.put(path, json=PATIENT, headers={"If-Match": '"1"'}), [412])
    await asha.http.put(path, json=PATIENT)
    problem_of(await asha.http.put(path, json=PATIENT), [428])
    problem_of(await asha.http.put(path, json=PATIENT, headers={"If-Match": '"2"'}), [412])
    changed = {**PATIENT, "required": []}
    second = await asha.http.put(path, json=changed, headers={"If-Match": '"1"'})
    assert (second.status_code, second.headers["etag"]) == (200, '"2"')
    assert json_of(await asha.http.get(path))["schema"] == changed
    assert json_of(await asha.http.get(path, params={"version": 1}))["schema"] == PATIENT
    problem_of(await asha.http.get(path, params={"version": 3}), [404])


async def test_of_many_who_follow_the_same_version_one_does(asha: Person, name: str) -> None:
    path = f"/v1/schemas/{name}"
    first = await asyncio.gather(*(asha.http.put(path, json=PATIENT) for _ in range(8)))
    assert sorted(each.status_code for each in first)[0] == 201
    assert sum(each.status_code == 201 for each in first) == 1
    match = {"If-Match": '"1"'}
    second = await asyncio.gather(
        *(asha.http.put(path, json=PATIENT, headers=match) for _ in range(8))
    )
    assert sum(each.status_code == 200 for each in second) == 1
    assert json_of(await asha.http.get(path))["version"] == 2


async def test_only_its_maker_or_an_administrator_adds_a_version(
    running: Program, asha: Person, ben: Person, name: str
) -> None:
    path, match = f"/v1/schemas/{name}", {"If-Match": '"1"'}
    await asha.http.put(path, json=PATIENT)
    problem = problem_of(await ben.http.put(path, json=PATIENT, headers=match), [403])
    assert problem["code"] == "not_your_schema"
    async with signed_up(running, "Admin") as admin:
        status, said, _ = await command(
            "role", "set", admin.email, "admin",
            directory=running.data_dir, data_dir=running.data_dir,
        )  # fmt: skip
        assert status == 0, said
        renewed = await admin.http.post(
            "/v1/oauth/token",
            data={"grant_type": "refresh_token", "refresh_token": admin.tokens["refresh_token"]},
        )
        admin.http.headers["Authorization"] = f"Bearer {json_of(renewed)['access_token']}"
        changed = await admin.http.put(path, json=PATIENT, headers=match)
    assert changed.status_code == 200, changed.text
    assert json_of(changed)["owner_id"] == asha.id


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({}, "/type"),
        ({"type": "array"}, "/type"),
        ({"type": "object", "requierd": []}, "/requierd"),
        ({"type": "object", "properties": {"a": {"type": "strin"}}}, "/properties/a/type"),
        ({"type": "object", "properties": {"a": {"pattern": "(a"}}}, "/properties/a/pattern"),
        ({"type": "object", "properties": {"a": {"pattern": "(?=a)"}}}, "/properties/a/pattern"),
        ({"type": "object", "properties": {"a": {"format": "x"}}}, "/properties/a/format"),
        ({"type": "object", "items": {"$ref": "http://127.0.0.1:1/x"}}, "/items/$ref"),
        ({"type": "object", "items": {"$ref": "file:///etc/passwd"}}, "/items/$ref"),
    ],
)
async def test_what_is_no_schema_is_refused_with_a_pointer(
    asha: Person, name: str, wrong: Json, pointer: str
) -> None:
    problem = problem_of(await asha.http.put(f"/v1/schemas/{name}", json=wrong), [400])
    assert problem["errors"][0]["pointer"] == pointer
    problem_of(await asha.http.get(f"/v1/schemas/{name}"), [404])


async def test_a_name_that_is_none_is_refused(asha: Person) -> None:
    for wrong in ("Patient", "1a", "a.b", "a" * 65):
        problem_of(await asha.http.put(f"/v1/schemas/{wrong}", json=PATIENT), [400])
