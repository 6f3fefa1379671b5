"""What asking leaves behind tells no more than the answer did: events, proofs, promises, lists."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from uuid import uuid4

import pytest

from tests.integration.running.authorization.telling import unnamed
from tests.integration.running.people import PURPOSE, Json, Person, json_of
from tests.integration.running.test_records import record

_COMMITTED = re.compile(r'"(\w+_(h|commitment)|key)":"[\w+/=]+"')


@pytest.fixture(scope="module")
async def hidden(asha: Person) -> Mapping[str, str]:
    """A document in its second version, and a record."""
    document = await asha.upload("A heron nobody sees.")
    await asha.until_ended(document["id"])
    replaced = await asha.http.put(
        f"/v1/documents/{document['id']}/content",
        headers={"If-Match": '"1"'},
        content=b"A heron nobody sees, and nobody saw before.",
    )
    assert replaced.status_code == 202, replaced.text
    return {"document": document["id"], "record": (await record(asha))["id"]}


def _asked_for(kind: str, thing: str) -> list[tuple[str, str, Json]]:
    """Whatever is refused through the gate, which writes that down."""
    path, versions = f"/v1/{kind}s/{thing}", ("1", "2", "9")
    reads = [path] if kind == "record" else [path, f"{path}/content", f"{path}/text"]
    asked: list[tuple[str, str, Json]] = [("GET", each, {}) for each in reads]
    asked += [("GET", reads[-1], {"params": {"version": each}}) for each in versions]
    asked += [("GET", each, {"params": {"purpose": PURPOSE}}) for each in reads]
    if kind == "document":
        changed = {"headers": {"If-Match": '"1"'}, "content": b"Mine."}
        asked += [("PUT", f"{path}/content", changed)]
    return asked


async def _all_told(person: Person, thing: str, already: set[str]) -> list[str]:
    """Each event that is new, with its promise and its proof, as the person is told them."""
    told = []
    for event in json_of(await person.http.get("/v1/audit/events?limit=200"))["items"]:
        if event["id"] in already:
            continue
        already.add(event["id"])
        path = f"/v1/audit/events/{event['id']}"
        async with asyncio.timeout(10):
            while (proof := await person.http.get(f"{path}/proof")).status_code != 200:
                assert proof.status_code == 409, proof.text
                await asyncio.sleep(0.05)
        shown = json_of(proof)
        told += [event | {"index": None}, json.loads(shown["leaf"]), shown["opening"]]
        promise = await person.http.get(f"{path}/promise")
        told += [promise.status_code, promise.text.count("\n"), len(promise.content)]
    return [_COMMITTED.sub("<made anew>", unnamed(json.dumps(each, separators=(",", ":")), thing))
            for each in told]  # fmt: skip


@pytest.mark.parametrize("kind", ["document", "record"])
async def test_the_log_tells_who_was_refused_nothing_about_what_there_is(
    ben: Person, hidden: Mapping[str, str], kind: str
) -> None:
    already: set[str] = set()
    await _all_told(ben, "", already)
    told = []
    for thing in (hidden[kind], str(uuid4())):
        for method, path, options in _asked_for(kind, thing):
            answer = await ben.http.request(method, path, **options)
            assert answer.status_code == 404, answer.text
        told.append(await _all_told(ben, thing, already))
    assert len(told[0]) >= 6 * len(_asked_for(kind, ""))
    assert told[0] == told[1]


async def test_what_is_hidden_moves_neither_scores_nor_counts_nor_pages(
    asha: Person, ben: Person
) -> None:
    """It would match better than all that Ben has, in both legs of the search."""
    own = [await ben.ready(f"A stork number {number} waded.") for number in range(3)]
    before = await _seen(ben)
    for _ in range(3):
        await asha.ready("A stork, a stork in the reeds, in the reeds.")
    assert [len(before[mode]["items"]) for mode in _MODES] == [len(own)] * len(_MODES)
    assert await _seen(ben) == before


_MODES = ("keyword", "semantic", "hybrid")


async def _seen(person: Person) -> dict[str, Json]:
    """All hits with their scores, and the first page of every list."""
    found = {mode: await _searched(person, mode) for mode in _MODES}
    for each in ("documents", "records", "collections", "grants", "consents", "links"):
        page = json_of(await person.http.get(f"/v1/{each}?limit=2"))
        found[each] = page | {"next_cursor": page["next_cursor"] is not None}
    return found


async def _searched(person: Person, mode: str) -> Json:
    asked = {"query": "stork in the reeds", "mode": mode, "purpose": PURPOSE, "limit": 50}
    answer = json_of(await person.http.post("/v1/search", json=asked))
    assert not answer["degraded"]
    return answer | {"took_ms": None}
