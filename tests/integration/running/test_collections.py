"""Things that are shared as one: what is put in is shared at once, what is taken out no longer."""

from __future__ import annotations

import asyncio
import json

import pytest

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
from tests.integration.running.test_second_factor import enrol

HERON = "The heron of the collection stood in the reeds. " * 3


async def collection(person: Person, title: str = "For the clinic") -> str:
    made = await person.http.post("/v1/collections", json={"title": title})
    assert made.status_code == 201, made.text
    return str(json_of(made)["id"])


async def put(person: Person, collection_id: str, document_id: str) -> int:
    path = f"/v1/collections/{collection_id}/items/{document_id}"
    answer = await person.http.put(path)
    assert answer.status_code == 200, answer.text
    return int(json_of(answer)["open_grants"])


async def take_out(person: Person, collection_id: str, document_id: str) -> Json:
    path = f"/v1/collections/{collection_id}/items/{document_id}"
    answer = await person.http.delete(path)
    assert answer.status_code == 200, answer.text
    return json_of(answer)


async def share(person: Person, collection_id: str, to: Person) -> Json:
    body = grant_body(collection_id, to.email)
    body["resource"] = {"kind": "collection", "id": collection_id}
    answer = await person.http.post("/v1/grants", json=body)
    assert answer.status_code == 201, answer.text
    return json_of(answer)


async def reads(person: Person, document_id: str) -> int:
    path = f"/v1/documents/{document_id}/content"
    return (await person.http.get(path, params={"purpose": PURPOSE})).status_code


async def finds(person: Person) -> set[str]:
    asked = {"query": "heron collection", "purpose": PURPOSE}
    found = json_of(await person.http.post("/v1/search", json=asked))["items"]
    return {each["document_id"] for each in found}


async def items(person: Person, collection_id: str) -> list[str]:
    answer = await person.http.get(f"/v1/collections/{collection_id}/items")
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in json_of(answer)["items"]]


async def test_a_collection_from_its_beginning_to_its_end(running: Program) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        first, second = await asha.ready(HERON + "One."), await asha.ready(HERON + "Two.")
        made = await collection(asha)
        assert await put(asha, made, first["id"]) == 0
        assert await put(asha, made, first["id"]) == 0
        problem_of(await ben.http.get(f"/v1/collections/{made}/items"), [404])

        await share(asha, made, ben)
        assert await items(ben, made) == await items(asha, made) == [first["id"]]
        assert (await reads(ben, first["id"]), await reads(ben, second["id"])) == (200, 404)
        assert await finds(ben) == {first["id"]}
        problem_of(await ben.http.get(f"/v1/collections/{made}"), [404])

        assert await put(asha, made, second["id"]) == 1
        assert await finds(ben) == {first["id"], second["id"]}
        await take_out(asha, made, first["id"])
        assert (await reads(ben, first["id"]), await reads(ben, second["id"])) == (404, 200)
        assert await finds(ben) == {second["id"]}
        problem_of(await asha.http.delete(f"/v1/collections/{made}/items/{first['id']}"), [404])

        renamed = await asha.http.patch(f"/v1/collections/{made}", json={"title": "Old"})
        assert json_of(renamed)["title"] == "Old"
        assert json_of(renamed)["item_count"] == 1
        listed = json_of(await asha.http.get("/v1/collections"))["items"]
        assert [each["title"] for each in listed] == ["Old"]

        ended = await asha.http.delete(f"/v1/collections/{made}")
        assert json_of(ended)["grants_closed"] == 1
        assert await reads(ben, second["id"]) == 404
        assert await reads(asha, second["id"]) == 200
        problem_of(await asha.http.get(f"/v1/collections/{made}"), [404])
        (consent,) = json_of(await asha.http.get("/v1/consents"))["items"]
        assert consent["event_state"] == "invalidated"
        kinds = {each["type"] for each in json_of(await asha.http.get("/v1/audit/events"))["items"]}
        assert kinds >= {"put_in_collection", "taken_from_collection", "collection_deleted"}


async def test_nobody_puts_in_what_is_not_theirs(asha: Person, ben: Person) -> None:
    mine, theirs = await collection(asha), await collection(ben)
    document = await asha.upload("Asha's.")
    problem_of(await ben.http.put(f"/v1/collections/{theirs}/items/{document['id']}"), [404])
    problem_of(await ben.http.put(f"/v1/collections/{mine}/items/{document['id']}"), [404])
    problem_of(await ben.http.delete(f"/v1/collections/{mine}"), [404])
    problem_of(await ben.http.patch(f"/v1/collections/{mine}", json={"title": "Ben's"}), [404])


async def test_a_collection_made_twice_with_one_key_is_one(asha: Person) -> None:
    headers = {"Idempotency-Key": "one-collection"}
    body = {"title": "Once"}
    answers = await asyncio.gather(
        *(asha.http.post("/v1/collections", json=body, headers=headers) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({json_of(answer)["id"] for answer in answers}) == 1


async def test_what_demands_a_second_factor_takes_one_to_be_put_into_what_is_shared(
    running: Program,
) -> None:
    async with signed_up(running, "Asha") as asha, signed_up(running, "Ben") as ben:
        app, _ = await enrol(asha)
        made = await collection(asha)
        demanding = await asha.upload("For few.", approval="mfa")
        path = f"/v1/collections/{made}/items/{demanding['id']}"
        assert await put(asha, made, demanding["id"]) == 0  # nobody gets access by that
        body = grant_body(made, ben.email) | {"resource": {"kind": "collection", "id": made}}
        refused = await asha.http.post("/v1/grants", json=body)
        assert problem_of(refused, [403])["code"] == "insufficient_user_authentication"

        await take_out(asha, made, demanding["id"])
        await share(asha, made, ben)
        assert problem_of(await asha.http.put(path), [403])["code"] == (
            "insufficient_user_authentication"
        )
        assert await reads(ben, demanding["id"]) == 404
        raised = await asha.http.post("/v1/sessions/step-up", json={"totp": app.next_code()})
        token = {"Authorization": f"Bearer {json_of(raised)['access_token']}"}
        assert (await asha.http.put(path, headers=token)).status_code == 200
        assert await reads(ben, demanding["id"]) == 200


@pytest.mark.slow
async def test_taking_out_ends_what_is_being_answered_and_hides_what_was(own: Program) -> None:
    await own.running(extractive_words_per_second="4")
    async with signed_up(own, "Asha") as asha, signed_up(own, "Ben") as ben:
        shared, kept = await asha.ready(HERON + "One."), await asha.ready("A kingfisher dived.")
        made = await collection(asha)
        for each in (shared, kept):
            await put(asha, made, each["id"])
        await share(asha, made, ben)
        begun = json_of(await ben.http.post("/v1/conversations", json={"title": "Birds"}))
        question = {"content": "Where did the heron stand?", "purpose": PURPOSE}
        path = f"/v1/conversations/{begun['id']}/messages"
        asked = await ben.http.post(path, json=question | {"document_ids": [shared["id"]]})
        assert asked.status_code == 202, asked.text
        run_id = json_of(asked)["run"]["id"]
        seen: list[str] = []
        async with ben.http.stream("GET", f"/v1/runs/{run_id}/events", timeout=20) as events:
            async for line in events.aiter_lines():
                if line.startswith("event:"):
                    seen.append(line.removeprefix("event:").strip())
                if line.startswith("data:") and "text_delta" in seen and "taken" not in seen:
                    json.loads(line.removeprefix("data:"))
                    ended = await take_out(asha, made, shared["id"])
                    assert (ended["runs_stopped"], ended["answers_hidden"]) == (1, 1)
                    seen.append("taken")
        assert seen[-1] == "access_revoked"
        messages = json_of(await ben.http.get(path))["items"]
        assert messages[-1]["tombstone"] == "access_revoked"
        assert await reads(ben, kept["id"]) == 200
