"""Idempotency-Key: however often a request arrives, it happens once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from uuid import uuid4

import httpx2
import pytest

from tests.integration.running.people import Person, grant_body, json_of, problem_of

AT_ONCE = 16


def _key() -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex}


async def _upload(
    person: Person, text: str, headers: Mapping[str, str], **fields: str
) -> httpx2.Response:
    files = {"file": ("a.txt", text)}
    return await person.http.post("/v1/documents", files=files, data=fields, headers=headers)


async def _documents(person: Person) -> list[str]:
    answer = await person.http.get("/v1/documents", params={"limit": 200})
    return [each["id"] for each in json_of(answer)["items"]]


async def test_an_upload_that_is_repeated_gives_the_same_document(asha: Person) -> None:
    before, key = await _documents(asha), _key()
    first = await _upload(asha, "Once.", key)
    again = await _upload(asha, "Once.", key)
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["id"] == again.json()["id"]
    assert first.headers["location"] == again.headers["location"]
    assert len(await _documents(asha)) == len(before) + 1


async def test_uploads_that_arrive_at_once_have_one_effect(asha: Person) -> None:
    before, key = await _documents(asha), _key()
    answers = await asyncio.gather(*(_upload(asha, "At once.", key) for _ in range(AT_ONCE)))
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(await _documents(asha)) == len(before) + 1


@pytest.mark.parametrize("changed", ["text", "title", "metadata", "audit", "approval"])
async def test_another_upload_under_the_same_key_is_refused(asha: Person, changed: str) -> None:
    key = _key()
    fields = {"title": "First", "metadata": '{"a": "b"}', "audit": "committed"}
    other = {"text": "Other.", "title": "Other", "metadata": '{"a": "c"}', "audit": "integrated"}
    other["approval"] = "mfa"
    assert (await _upload(asha, "First.", key, **fields)).status_code == 202
    before = await _documents(asha)
    text = other["text"] if changed == "text" else "First."
    if changed != "text":
        fields[changed] = other[changed]
    problem_of(await _upload(asha, text, key, **fields), [422])
    assert await _documents(asha) == before


async def test_a_key_belongs_to_one_person(asha: Person, ben: Person) -> None:
    key = _key()
    ashas = await _upload(asha, "Mine.", key)
    bens = await _upload(ben, "Mine.", key)
    assert ashas.json()["id"] != bens.json()["id"]
    assert bens.json()["owner_id"] == ben.id


async def test_grants_that_arrive_at_once_have_one_effect(asha: Person, ben: Person) -> None:
    document = await asha.upload("To be shared once.")
    key, body = _key(), grant_body(document["id"], ben.email)
    asked = (asha.http.post("/v1/grants", json=body, headers=key) for _ in range(AT_ONCE))
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    given = json_of(await asha.http.get("/v1/grants"))["items"]
    assert [each["resource"]["id"] for each in given].count(document["id"]) == 1
    consents = json_of(await asha.http.get("/v1/consents"))["items"]
    assert [each["pii_information"][0]["id"] for each in consents].count(document["id"]) == 1

    other = grant_body(document["id"], ben.email, max_uses=3)
    problem_of(await asha.http.post("/v1/grants", json=other, headers=key), [422])


async def test_a_refused_request_does_not_use_its_key_up(asha: Person, ben: Person) -> None:
    document = await asha.upload("Shared at the second try.")
    key, body = _key(), grant_body(document["id"], ben.email)
    wrong = body | {"purpose": "world_domination"}
    problem_of(await asha.http.post("/v1/grants", json=wrong, headers=key), [400])
    assert (await asha.http.post("/v1/grants", json=body, headers=key)).status_code == 201
