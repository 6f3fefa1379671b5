"""JSON bodies and query parameters: read strictly, refused precisely, bounded always."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from litestar import get, patch, post
from litestar.params import Body, FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import UNSET, Meta, Struct, UnsetType

from entrypoints.http.access import PUBLIC

BYTES_MAX = 64 * 1024


class Address(Struct, forbid_unknown_fields=True, kw_only=True):
    street: Annotated[str, Meta(min_length=1)]
    zip_code: int | None = None


class SignUp(Struct, forbid_unknown_fields=True, kw_only=True):
    email: Annotated[str, Meta(max_length=100, examples=["asha@example.org"])]
    age: int = 0
    share: float = 0.0
    addresses: list[Address] = []
    home: Address | None = None
    tags: dict[str, int] = {}


class Rename(Struct, forbid_unknown_fields=True, kw_only=True):
    title: str | UnsetType | None = UNSET


MERGE_PATCH = "application/merge-patch+json"


@post("/accounts", opt=PUBLIC)
async def sign_up(data: JSONBody[SignUp]) -> dict[str, Any]:
    return {"email": data.email, "age": data.age, "addresses": len(data.addresses)}


@post("/small", opt=PUBLIC, request_max_body_size=100)
async def small(data: JSONBody[SignUp]) -> None: ...


@patch("/titles", opt=PUBLIC)
async def rename(data: Annotated[Rename, Body(media_type=MERGE_PATCH)]) -> dict[str, str]:
    return {"title": repr(data.title)}


@get("/things/{thing_id:uuid}", opt=PUBLIC)
async def things(
    thing_id: FromPath[UUID],
    after: FromQuery[UUID | None] = None,
    limit: Annotated[int, QueryParameter(ge=1, le=200)] = 50,
    tag: FromQuery[list[str] | None] = None,
    text: FromQuery[str] = "",
) -> dict[str, Any]:
    return {"limit": limit, "tags": tag or []}


@get("/needed", opt=PUBLIC)
async def needed(word: FromQuery[str]) -> str:
    return word


ROUTES = (sign_up, small, rename, things, needed)


def pointers(response: Any) -> dict[str, str]:
    assert response.status_code == 400, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return {e["pointer"]: e["detail"] for e in response.json().get("errors", [])}


@pytest.fixture(scope="module")
async def running(serve: Any) -> AsyncIterator[Any]:
    async with serve(*ROUTES) as running:
        yield running


def post_text(running: Any, text: str | bytes, path: str = "/accounts", **headers: str) -> Any:
    sent = {"Content-Type": "application/json", **headers}
    return running.client.post(path, content=text, headers=sent)


async def test_a_valid_body_becomes_the_struct_of_the_handler(running: Any) -> None:
    body = {"email": "a@b.c", "age": 5, "addresses": [{"street": "x"}], "share": 1}
    response = await running.client.post("/accounts", json=body)
    assert response.status_code == 201
    assert response.json() == {"email": "a@b.c", "age": 5, "addresses": 1}


async def test_every_wrong_missing_and_unknown_field_is_named_at_once(running: Any) -> None:
    body = {
        "age": "5",
        "emial": "typo",
        "share": True,
        "addresses": [{"street": "ok"}, {"street": "", "zip": 1}, 7],
        "home": {"street": 1, "zip_code": 1.5},
        "tags": {"a/b": "x", "fine": 1},
    }
    wrong = pointers(await running.client.post("/accounts", json=body))
    assert set(wrong) == {
        "/email",
        "/emial",
        "/age",
        "/share",
        "/addresses/1/street",
        "/addresses/1/zip",
        "/addresses/2",
        "/home/street",
        "/home/zip_code",
        "/tags/a~1b",
    }
    assert wrong["/email"] == "This is required and missing."
    assert wrong["/emial"] == "There is no such field here."
    assert wrong["/age"] == "Expected `int`, got `str`"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "body_missing"),
        ("{", "not_json"),
        ("null", "not_json"),
        ('{"email": "a", "email": "b"}', "not_json"),
        ('{"email": "a", "share": NaN}', "not_json"),
        ('{"email": "a", "share": -Infinity}', "not_json"),
        ('{"email": "a", "share": 1e999}', "not_json"),
        ('{"email": "a", "age": ' + "9" * 5000 + "}", "not_json"),
        ('{"email": "a", "tags": ' + "[" * 40 + "]" * 40 + "}", "not_json"),
        ("[" * 60_000, "not_json"),
        ('{"email": "a", "\\u0000": 1}', "not_json"),
        (b'{"email": "\xff"}', "not_json"),
        (b'\xef\xbb\xbf{"email": "a"}', "not_json"),
        ("[]", "invalid_fields"),
        ('"x"', "invalid_fields"),
    ],
)
async def test_what_is_not_one_json_object_is_refused_by_name(
    running: Any, text: str | bytes, code: str
) -> None:
    response = await post_text(running, text)
    assert (response.status_code, response.json()["code"]) == (400, code)


async def test_text_that_no_database_holds_is_refused_with_its_place(running: Any) -> None:
    text = (
        '{"email": "\\ud800", "addresses": [{"street": "a\\u0000b"}, {"street": "\\ud83d\\ude00"}]}'
    )
    assert set(pointers(await post_text(running, text))) == {"/email", "/addresses/0/street"}


async def test_only_json_is_read_as_json(running: Any) -> None:
    for content_type in ("text/plain", "application/x-www-form-urlencoded", "", "application/xml"):
        response = await post_text(running, "{}", **{"Content-Type": content_type})
        assert response.status_code == 415, content_type
        assert response.headers["accept"] == "application/json"
    charset = {"Content-Type": "application/json; charset=UTF-8"}
    assert (await post_text(running, '{"email": "a"}', **charset)).status_code == 201
    other = {"Content-Type": "application/json; charset=latin-1"}
    assert (await post_text(running, '{"email": "a"}', **other)).status_code == 415
    packed = {"Content-Encoding": "gzip"}
    assert (await post_text(running, '{"email": "a"}', **packed)).status_code == 415


async def test_a_patch_tells_null_from_absent_and_reads_merge_patches(running: Any) -> None:
    for body, title in (({"title": None}, "None"), ({}, "UNSET"), ({"title": "x"}, "'x'")):
        for content_type in (MERGE_PATCH, "application/json"):
            response = await running.client.patch(
                "/titles", content=json.dumps(body), headers={"Content-Type": content_type}
            )
            assert response.json() == {"title": title}


async def test_a_body_over_the_limit_is_413_and_the_limit_is_stated(running: Any) -> None:
    whole = b'{"email": "a"' + b" " * BYTES_MAX + b"}"

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(whole), 8000):
            yield whole[start : start + 8000]

    for content in (whole, pieces()):
        response = await post_text(running, content)  # type: ignore[arg-type]
        assert response.status_code == 413
        assert str(BYTES_MAX) in response.json()["detail"]
    response = await post_text(running, b'{"email":"' + b"a" * 100 + b'"}', "/small")
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert "100 bytes" in response.json()["detail"]


async def test_a_body_that_is_too_large_is_refused_before_it_is_sent(running: Any) -> None:
    head = (
        b"POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 99999999\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
    )
    answer = await running.raw(head)
    assert answer.startswith(b"HTTP/1.1 413 ")


async def test_a_client_that_leaves_midway_is_no_error_of_ours(running: Any) -> None:
    head = (
        b"POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    running.answered.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(head)
    await writer.drain()
    writer.close()
    await running.until(lambda: running.answered)
    assert running.answered[0].status == 499


async def test_an_idle_body_ends_with_408(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrypoints.http.body.PIECE_SECONDS_MAX", 0.1)
    answer = await running.raw(
        b"POST /accounts HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in answer.lower()


async def test_unknown_query_parameters_are_refused_by_name(running: Any) -> None:
    path = f"/things/{UUID(int=1)}"
    response = await running.client.get(path, params={"limti": "5", "limit": "5"})
    assert pointers(response) == {"/query/limti": "There is no such parameter here."}
    assert set(pointers(await running.client.get("/needed?word=a&x=1"))) == {"/query/x"}
    twice = await running.client.get(f"{path}?limit=1&limit=2")
    assert set(pointers(twice)) == {"/query/limit"}
    repeated = await running.client.get(f"{path}?tag=a&tag=b")
    assert repeated.json() == {"limit": 50, "tags": ["a", "b"]}


async def test_wrong_query_parameters_are_all_named(running: Any) -> None:
    path = f"/things/{UUID(int=1)}"
    for limit in ("0", "201", "x", "", "1.5", "9" * 30):
        response = await running.client.get(path, params={"limit": limit, "after": "y"})
        assert set(pointers(response)) == {"/query/limit", "/query/after"}, limit
    assert set(pointers(await running.client.get(f"{path}?text=a%00b"))) == {"/query/text"}
    missing = await running.client.get("/needed")
    assert pointers(missing) == {"/query/word": "This is required and missing."}


async def test_a_path_that_names_nothing_is_404(running: Any) -> None:
    for thing in ("x", "01930000-0000-7000-8000-00000000000", "%00", "..%2f"):
        assert (await running.client.get(f"/things/{thing}")).status_code == 404, thing


async def test_the_request_body_is_in_the_document(running: Any) -> None:
    document = (await running.client.get("/openapi.json")).json()
    operation = document["paths"]["/accounts"]["post"]
    body = operation["requestBody"]["content"]["application/json"]["schema"]
    assert body == {"$ref": "#/components/schemas/SignUp"}
    schema = document["components"]["schemas"]["SignUp"]
    assert schema["required"] == ["email"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["email"]["examples"] == ["asha@example.org"]
    assert MERGE_PATCH in document["paths"]["/titles"]["patch"]["requestBody"]["content"]
    assert msgspec.json.encode(document).count(b"ValidationException") == 0
