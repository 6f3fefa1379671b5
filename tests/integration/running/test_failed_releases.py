"""What failed after it was released is in the log, as the outcome of that very release."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from adapters.postgres.blobs import PART_BYTES
from tests.integration.running.failed_releases import WAYS, Things, accesses_of, things_of
from tests.integration.running.people import PURPOSE, Json, Person, json_of
from tests.integration.running.program import Program, command
from tests.integration.running.test_tampered_rows import AT, TEXT, altered

Cell = tuple[str, str, str]

CIPHERTEXTS: dict[str, Cell] = {
    "content": (
        "blob_parts",
        "bytes",
        "blob_id = (SELECT content_blob_id FROM versions WHERE document_id = '{0.document}')",
    ),
    "record": (
        "blob_parts",
        "bytes",
        "blob_id = (SELECT content_blob_id FROM versions WHERE document_id = '{0.record}')",
    ),
    "search page": ("passages", "sealed_text", "document_id = '{0.document}'"),
    "chat": ("passages", "sealed_text", "document_id = '{0.document}'"),
}
KEYS: dict[str, Cell] = {
    way: (
        "data_keys",
        "wrapped",
        f"kind = 'content' AND resource_id = '{{0.{'record' if way == 'record' else 'document'}}}'",
    )
    for way in WAYS
}


@pytest.fixture(scope="module")
async def things(asha: Person) -> Things:
    return await things_of(asha)


@pytest.mark.parametrize("cells", [CIPHERTEXTS, KEYS], ids=["ciphertext", "wrapped key"])
@pytest.mark.parametrize("way", WAYS)
async def test_what_does_not_open_is_told_as_the_outcome_of_its_release(
    running: Program, asha: Person, things: Things, way: str, cells: dict[str, Cell]
) -> None:
    ask, well, action = WAYS[way]
    thing = things.record if way == "record" else things.document
    table, column, where = cells[way]
    before = len(await accesses_of(asha, thing))
    await altered(running, table, column, where.format(things))
    assert await ask(asha, things) != well
    await altered(running, table, column, where.format(things))
    assert await ask(asha, things) == well
    *_, failed, released = (await accesses_of(asha, thing))[before:]
    assert (failed["action"], failed["outcome"], failed["failure"]["reason"]) == (
        action,
        "failed",
        "altered",
    )
    assert (released["action"], released["outcome"], released["failure"]) == (
        action,
        "released",
        None,
    )


async def test_a_stream_that_is_cut_in_the_middle_is_a_release_that_failed(
    running: Program, asha: Person, ben: Person, tmp_path: Path
) -> None:
    """Of a grantee's download; and `strongroom verify` says so, from the bundle alone."""
    document = await asha.upload(TEXT, index_mode="none")
    await asha.until_ended(document["id"])  # or indexing meets what is altered, and fails as well
    await asha.grant(document["id"], ben)
    blob = f"SELECT content_blob_id FROM versions WHERE document_id = '{document['id']}'"
    second = f"blob_id = ({blob}) AND start = {PART_BYTES}"
    await altered(running, "blob_parts", "bytes", second, AT - PART_BYTES)
    path, received = f"/v1/documents/{document['id']}/content", bytearray()
    with pytest.raises(httpx2.RemoteProtocolError):
        await _receive(ben, path, received)
    assert received, "nothing was sent: it was not in the middle"
    *_, failed = await accesses_of(asha, document["id"])
    assert failed["person_id"] == ben.id
    assert failed["failure"]["reason"] == "altered"

    # The owner may prove it, and so may the reader; nobody else learns that it is there.
    proof = f"/v1/audit/events/{failed['failure']['event_id']}/proof"
    for person in (asha, ben):
        told = json.dumps(await _proven(person, proof))
        assert failed["event_id"] in told
        assert "heron" not in told
    bundle = tmp_path / "bundle.json"
    bundle.write_text((await asha.http.get(f"/v1/documents/{document['id']}/accesses/bundle")).text)
    key = tmp_path / "key"
    key.write_text((await asha.http.get("/v1/audit/key")).text)
    status, said, _ = await command("verify", bundle, "--key", key, directory=tmp_path)
    assert status == 0, said
    assert "1 of these releases failed" in said
    assert "altered: 1" in said


async def _proven(person: Person, proof: str) -> Json:
    """Once it is in the log: it was told before."""
    async with asyncio.timeout(10):
        while (answer := await person.http.get(proof)).status_code == 409:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    return json_of(answer)


async def _receive(person: Person, path: str, received: bytearray) -> None:
    async with person.http.stream("GET", path, params={"purpose": PURPOSE}) as answer:
        async for piece in answer.aiter_bytes():
            received += piece


async def test_a_reader_who_goes_away_is_no_failure(running: Program, asha: Person) -> None:
    """What was sent may have been read, and hanging up must not be a way to look unseen."""
    document = await asha.upload(TEXT * 8, index_mode="none")
    async with asha.http.stream("GET", f"/v1/documents/{document['id']}/content") as answer:
        async for _ in answer.aiter_bytes():
            break
    answer = await asha.http.get(f"/v1/documents/{document['id']}/content")
    assert answer.status_code == 200
    assert [each["outcome"] for each in await accesses_of(asha, document["id"])][-2:] == [
        "released",
        "released",
    ]


async def test_nothing_changed_is_no_failure(asha: Person, things: Things) -> None:
    path = f"/v1/documents/{things.document}/content"
    etag = (await asha.http.get(path)).headers["etag"]
    assert (await asha.http.get(path, headers={"If-None-Match": etag})).status_code == 304
    assert (await asha.http.get(path, headers={"Range": "bytes=9999-"})).status_code == 416
    latest = (await accesses_of(asha, things.document))[-3:]
    assert {each["outcome"] for each in latest} == {"released"}
