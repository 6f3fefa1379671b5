"""Whatever a client sends: a problem that names what is wrong, no 5xx, and nothing half done."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.integration.running.authorization.places import operations
from tests.integration.running.mutations import json_operations, mutations
from tests.integration.running.people import Json, Person, grant_body, json_of, problem_of
from tests.integration.running.program import Program

WRONG_IDS = (
    "12",
    "not-an-id",
    "00000000-0000-0000-0000-00000000000g",
    "%00",
    "%ff%fe",
    "..%2f..%2fetc%2fpasswd",
    "' OR 1=1 --",
    "x" * 2000,
    "‮⁦",
)
# A name that clients make up: nothing was asked under most of them.
MADE_UP = {"GET /api/chat/{chat_id}/stream"}
# What only administrators do: others are refused, whatever they name.
ADMINISTERED = {"DELETE /v1/model-chains/{task}"}
# Databases and languages hold the first and the last years of all for other things.
OUT_OF_OUR_AGE = (
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+14:00",
    "9999-12-31T23:59:59-14:00",
    "2026-11-29T12:00:00",
)
BEGINNINGS: list[tuple[str, Json]] = [
    ("/not_before", {"not_before": "0001-01-01T00:00:00Z"}),
    ("/not_before", {"not_before": "0001-01-01T00:00:00+14:00"}),
    ("/not_before", {"not_before": "1969-12-31T23:59:59Z"}),
]
WRONG_BY_NAME: dict[str, tuple[str, ...]] = {
    "limit": ("0", "-1", "201", "abc", "1.5", "", "9" * 30, "NaN"),
    "after": ("-1", "abc", "9" * 30, "", "1.5"),
    "version": ("0", "-1", "abc", "9" * 30, str(2**31), str(2**63), ""),
    "cursor": ("x", "", "AAAA", "A" * 1000, "A" * 2000, "é", "%", "=" * 10),
    "purpose": ("", "x" * 65, "a\x00b"),
    "branch": ("x", "", "12", "\x00"),
    "fields": (
        "",
        "name",
        "/a,",
        ",/a",
        "/a,,/b",
        "/~3",
        "/a\x00",
        "/a" * 33,
        "/" + "x" * 4100,
        ",".join(f"/{n}" for n in range(101)),
    ),
    "from": ("-1", "abc", "9" * 30),
    "to": ("-1", "abc", "9" * 30),
    "as_of": (
        "yesterday",
        "2026-11-29",
        *OUT_OF_OUR_AGE,
        "",
        "9" * 40,
    ),
    "since": OUT_OF_OUR_AGE,
    "until": OUT_OF_OUR_AGE,
    "state": ("asleep", "", "DEAD"),
    "direction": ("sideways", "", "GIVEN"),
}


@pytest.fixture(scope="module")
async def api(running: Program) -> Json:
    async with running.client() as http:
        return json_of(await http.get("/openapi.json"))


@pytest.fixture(scope="module")
async def document(asha: Person, ben: Person) -> Json:
    document = await asha.ready("# Herons\n\nA heron stands still.\n")
    await asha.grant(document["id"], ben)
    return document


@pytest.fixture(autouse=True)
async def _nothing_changes(asha: Person, document: Json) -> AsyncIterator[None]:
    before = await asha.everything()
    yield
    assert await asha.everything() == before


@pytest.mark.usefixtures("unfailing")
async def test_bad_json_is_refused_with_a_pointer_to_what_is_wrong(asha: Person, api: Json) -> None:
    tried = 0
    for name, schema in json_operations(api):
        method, _, template = name.partition(" ")
        path = _with_ids(template)
        for each in mutations(schema, api):
            answer = await asha.http.request(
                method, path, content=each.body, headers=dict(each.headers)
            )
            told = f"{name}, {each.what}"
            assert answer.status_code in each.statuses, f"{told}: {answer.text[:400]}"
            problem = problem_of(answer, each.statuses)
            if each.pointer is not None:
                pointers = [error["pointer"] for error in problem["errors"]]
                assert any(found.startswith(each.pointer) for found in pointers), (told, pointers)
            tried += 1
    assert tried > 100


async def test_what_is_no_id_names_nothing(asha: Person, api: Json) -> None:
    for name, _ in operations(api):
        method, _, template = name.partition(" ")
        for wrong in WRONG_IDS if "{" in template else ():
            path = _with_ids(template, quote(wrong, safe="%"))
            answer = await asha.http.request(method, path, json={})
            if name in MADE_UP and answer.status_code == 204:
                continue
            refused = [403] if name in ADMINISTERED else []
            problem_of(answer, [400, 404, 405, 415, 428, *refused])


async def test_what_no_registry_has_is_nobodys_purpose(
    asha: Person, ben: Person, api: Json, document: Json
) -> None:
    """Neither the owner's nor a grantee's: wherever a request says what something is wanted for."""
    unknown, places = "world_domination", 0
    path = f"/v1/documents/{document['id']}"
    for name, operation in operations(api):
        template = name.partition(" ")[2]
        told = re.sub(r"{(document|record)_id}", document["id"], template)
        query = {each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"}
        if "purpose" in query and not told.startswith((f"{path}/accesses", f"{path}/denials")):
            places += 1
            for person in (asha, ben):
                answer = await person.http.get(told, params={"purpose": unknown})
                problem = problem_of(answer, [400])
                assert problem["code"] == "purpose_unknown", name
                assert problem["errors"][0]["pointer"] == "/query/purpose"
    assert places == 4
    chat = json_of(await asha.http.post("/v1/conversations", json={"title": "For what?"}))["id"]
    message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Where?"}]}
    asking: list[tuple[str, Json]] = [
        ("/v1/search", {"query": "heron", "purpose": unknown}),
        (f"/v1/conversations/{chat}/messages", {"content": "Where?", "purpose": unknown}),
        (f"/v1/conversations/{chat}/messages/{uuid4()}/answers", {"purpose": unknown}),
        ("/api/chat", {"id": "for-what", "message": message, "purpose": unknown}),
    ]
    for told, body in asking:
        problem = problem_of(await asha.http.post(told, json=body), [400])
        assert (problem["code"], problem["errors"][0]["pointer"]) == ("purpose_unknown", "/purpose")
    completion = {
        "model": "extractive-1",
        "messages": [{"role": "user", "content": "Where?"}],
        "strongroom": {"purpose": unknown},
    }
    refused = problem_of(await asha.http.post("/v1/chat/completions", json=completion), [400])
    assert refused["param"] == "strongroom.purpose"
    messages = await asha.http.get(f"/v1/conversations/{chat}/messages")
    assert json_of(messages)["items"] == []
    for tellers in ("accesses", "denials"):
        items = json_of(await asha.http.get(f"{path}/{tellers}"))["items"]
        assert unknown not in {each["purpose"] for each in items}


async def test_wrong_query_parameters_are_named(asha: Person, api: Json, document: Json) -> None:
    for name, operation in operations(api):
        method, _, template = name.partition(" ")
        if method != "GET":
            continue
        path = template.replace("{document_id}", document["id"]).replace("{level}", "0")
        public = operation.get("security") == []
        parameters = [each for each in operation.get("parameters", ()) if each["in"] == "query"]
        asked = [each["name"] for each in parameters]
        needed = {each["name"]: "1" for each in parameters if each.get("required")}
        wrong: list[tuple[str, Any]] = [("nope", "1")]
        wrong += [(each, value) for each in asked for value in WRONG_BY_NAME.get(each, ("\x00",))]
        wrong += [(each, ["1", "1"]) for each in asked]
        for parameter, value in wrong:
            answer = await asha.http.get(_with_ids(path), params=needed | {parameter: value})
            told = f"{name}?{parameter}={value!r}"
            assert answer.status_code == 400, f"{told}: {answer.status_code} {answer.text[:300]}"
            pointers = [each["pointer"] for each in problem_of(answer, [400]).get("errors", ())]
            assert pointers == [f"/query/{parameter}"] or public, told


async def test_wrong_conditions_and_ranges_are_answered_as_the_standard_says(
    asha: Person, document: Json
) -> None:
    path = f"/v1/documents/{document['id']}/content"
    new = b"Something else."
    for wrong in ("1", '"1', "W/", '"1""2"', "", ",", '"a" b', "\x7f", '"' + "x" * 9000 + '"'):
        answer = await asha.http.put(path, headers={"If-Match": wrong}, content=new)
        problem_of(answer, [400, 412])
    for stale in ('"2"', 'W/"1"', '"1", "2"', '"' + "9" * 30 + '"', '"abc"'):
        problem_of(await asha.http.put(path, headers={"If-Match": stale}, content=new), [412])
    problem_of(await asha.http.put(path, content=new), [428])
    for beyond in ("bytes=99999-", "bytes=33-40", "bytes=-0", "bytes=" + "9" * 18 + "-"):
        answer = await asha.http.get(path, headers={"Range": beyond})
        problem_of(answer, [416])
        assert answer.headers["content-range"] == f"bytes */{document['content_length']}"
    for ignored in (
        "bytes=a-b",
        "lines=1-2",
        "bytes=2-1",
        "bytes=0-1,3-4",
        "",
        "bytes=" + "9" * 99,
    ):
        answer = await asha.http.get(path, headers={"Range": ignored})
        assert answer.status_code == 200, ignored
    events = f"/v1/documents/{document['id']}/events"
    for wrong in ("abc", "-1", "1.5", "9" * 10, "9" * 18, "9" * 40):
        problem_of(await asha.http.get(events, headers={"Last-Event-ID": wrong}), [400])


async def test_bad_credentials_are_refused_alike(running: Program, asha: Person) -> None:
    token = asha.tokens["access_token"]
    head, body, signature = token.split(".")
    none = "eyJhbGciOiJub25lIn0"
    credentials = [
        "Bearer", "Basic YTpi", f"bearer{token}", f"Bearer {token}x", f"Bearer {head}",
        f"Bearer {none}.{body}.", f"Bearer {head}.{body}.{signature[::-1]}",
        "Bearer " + "a." * 3000,
        f"Bearer {token} {token}", f"Bearer {asha.tokens['refresh_token']}",
    ]  # fmt: skip
    async with running.client() as http:
        for wrong in credentials:
            answer = await http.get("/v1/me", headers={"Authorization": wrong})
            problem_of(answer, [401])
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_wrong_idempotency_keys_are_named(asha: Person, document: Json, ben: Person) -> None:
    for wrong in ("", "x" * 256, "with\ttab"):
        answer = await asha.http.post(
            "/v1/grants",
            json=grant_body(document["id"], ben.email),
            headers={"Idempotency-Key": wrong},
        )
        problem = problem_of(answer, [400])
        assert problem["errors"][0]["pointer"] == "/header/Idempotency-Key"


async def test_a_grant_that_makes_no_sense_is_refused_with_the_field(
    asha: Person, ben: Person, document: Json
) -> None:
    senseless: list[tuple[str, Json]] = [
        ("/expires_at", {"expires_at": "2001-01-01T00:00:00Z"}),
        ("/expires_at", {"expires_at": "2030-01-01T00:00:00"}),
        ("/expires_at", {"expires_at": "9999-12-31T23:59:59+14:00"}),
        ("/expires_at", {"expires_at": "0001-01-01T00:00:00+14:00"}),
        ("/expires_at", {"not_before": "9999-12-31T23:59:59-14:00"}),
        *BEGINNINGS,
        ("/purpose", {"purpose": "world_domination"}),
        ("/actions", {"actions": []}),
        ("/actions/0", {"actions": ["steal"]}),
        ("/max_uses", {"max_uses": 0}),
        ("/max_uses", {"max_uses": 2**40}),
        ("/grantee", {"grantee": "nobody@example.org"}),
        ("/grantee", {"grantee": asha.id}),
        ("/resource/kind", {"resource": {"kind": "planet", "id": document["id"]}}),
        ("/notice_sha256", {"notice_sha256": "0" * 64 + "\n"}),
    ]
    for pointer, terms in senseless:
        answer = await asha.http.post(
            "/v1/grants", json={**grant_body(document["id"], ben.email), **terms}
        )
        problem = problem_of(answer, [400])
        if "notice_sha256" in terms:
            continue
        told = await asha.http.post(
            "/v1/grants/notice", json={**grant_body(document["id"], ben.email), **terms}
        )
        assert problem_of(told, [400]).get("errors") == problem.get("errors")
        assert [each["pointer"] for each in problem.get("errors", ())] == [pointer], (
            terms,
            problem,
        )


async def test_what_begins_in_another_age_is_refused_wherever_terms_are_told(
    asha: Person, ben: Person, document: Json
) -> None:
    """Stored, it would be read as a time that nothing can be compared with."""
    shared = grant_body(document["id"], ben.email)
    linked = {name: value for name, value in shared.items() if name != "grantee"}
    asked = linked | {"principal": asha.email}
    for pointer, terms in BEGINNINGS:
        for who, path, body in (
            (asha, "/v1/links", linked),
            (asha, "/v1/consents", shared),
            (ben, "/v1/consents", asked),
        ):
            answer = await who.http.post(path, json={**body, **terms})
            problem = problem_of(answer, [400])
            assert [each["pointer"] for each in problem["errors"]] == [pointer], (path, problem)


def _with_ids(template: str, value: str = "01930000-0000-7000-8000-000000000001") -> str:
    parts = (value if part.startswith("{") else part for part in template.split("/"))
    return "/".join(parts)
