"""What is released and then fails: each way to read something, and what its owner is told of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.integration.running.people import Json, Person, json_of
from tests.integration.running.test_records import CONTENT, record, until_searchable

Ask = Callable[[Person, "Things"], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Things:
    """A document and a record of one person, both searchable."""

    document: str
    record: str


async def things_of(person: Person) -> Things:
    document = await person.ready("A heron stands in the reeds of the lake.", title="Herons")
    made = await record(person)
    await until_searchable(person, made["id"])
    return Things(document["id"], made["id"])


async def _content(person: Person, things: Things) -> str:
    answer = await person.http.get(f"/v1/documents/{things.document}/content")
    assert "heron" not in answer.text or answer.is_success
    return str(answer.status_code)


async def _record(person: Person, things: Things) -> str:
    answer = await person.http.get(f"/v1/records/{things.record}")
    assert CONTENT["name"] not in answer.text or answer.is_success
    return str(answer.status_code)


async def _search(person: Person, things: Things) -> str:
    only = {"document_ids": [things.document]}
    body = {"query": "heron reeds", "filters": only, "mode": "keyword"}
    answer = await person.http.post("/v1/search", json=body)
    assert "stands" not in answer.text or answer.is_success
    return str(answer.status_code)


async def _chat(person: Person, things: Things) -> str:
    begun = json_of(await person.http.post("/v1/conversations", json={"title": "Birds"}))
    asked = await person.http.post(
        f"/v1/conversations/{begun['id']}/messages",
        json={"content": "Where does the heron stand?", "document_ids": [things.document]},
    )
    assert asked.status_code == 202, asked.text
    run = json_of(asked)["run"]["id"]
    async with asyncio.timeout(30):
        while True:
            state = str(json_of(await person.http.get(f"/v1/runs/{run}"))["state"])
            if state != "running":
                return state
            await asyncio.sleep(0.05)


WAYS: dict[str, tuple[Ask, str, str]] = {
    "content": (_content, "200", "read"),
    "record": (_record, "200", "read"),
    "search page": (_search, "200", "search"),
    "chat": (_chat, "completed", "quote"),
}
"""How something is read, what is answered where that goes well, and the action of its release."""


async def accesses_of(owner: Person, thing: str) -> list[Json]:
    """Once all of them are numbered, and the numbers leave no gap."""
    async with asyncio.timeout(10):
        while True:
            answer = await owner.http.get(f"/v1/documents/{thing}/accesses", params={"limit": 200})
            found: list[Json] = json_of(answer)["items"]
            if all(each["integrated"] for each in found):
                assert [each["number"] for each in found] == list(range(1, len(found) + 1))
                return found
            await asyncio.sleep(0.05)
