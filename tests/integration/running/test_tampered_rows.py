"""What was altered in the database is refused by name, and cut where it was being sent already."""

from __future__ import annotations

import asyncpg
import httpx2
import pytest

from adapters.encryption.chunked import CHUNK_BYTES, HEADER_BYTES, SEALED_CHUNK_BYTES
from adapters.postgres.blobs import PART_BYTES
from tests.integration.running.people import Person, json_of, problem_of
from tests.integration.running.program import Program

TEXT = "".join(f"Line {number:06} tells of a heron.\n" for number in range(12_000)).encode()
AT = PART_BYTES + 60_000  # of the ciphertext: in its second part

_FLIPPED = "set_byte({0}, {1}, get_byte({0}, {1}) # 1)"


async def altered(program: Program, table: str, column: str, where: str, at: int = 20) -> None:
    """One bit, as a superuser. Done again it is as it was."""
    connection = await asyncpg.connect(program.database_url)
    statement = f"UPDATE {table} SET {column} = {_FLIPPED.format(column, at)} WHERE {where}"
    try:
        await connection.execute("SET session_replication_role = replica")
        assert await connection.execute(statement) != "UPDATE 0", statement
    finally:
        await connection.close()


async def test_each_kind_is_refused_by_name(asha: Person, running: Program) -> None:
    document = await asha.ready("A heron with a title.", title="Herons")
    path = f"/v1/documents/{document['id']}"
    begun = json_of(await asha.http.post("/v1/conversations", json={"title": "Birds"}))
    chat = f"/v1/conversations/{begun['id']}"
    search = {"query": "heron", "filters": {"document_ids": [document["id"]]}, "mode": "keyword"}
    content, text = (
        f"blob_id = (SELECT {each} FROM versions WHERE document_id = '{document['id']}')"
        for each in ("content_blob_id", "text_blob_id")
    )
    tried = (
        ("passages", "sealed_text", f"document_id = '{document['id']}'", "POST", "/v1/search"),
        ("blob_parts", "bytes", text, "GET", f"{path}/text"),
        ("blob_parts", "bytes", content, "GET", f"{path}/content"),
        ("documents", "sealed_metadata", f"id = '{document['id']}'", "GET", path),
        ("conversations", "sealed_title", f"id = '{begun['id']}'", "GET", chat),
        ("data_keys", "wrapped", f"resource_id = '{begun['id']}'", "GET", f"{chat}/messages"),
    )
    for table, column, where, method, asked in tried:
        options = {"json": search} if method == "POST" else {}
        assert (await asha.http.request(method, asked, **options)).status_code == 200, asked
        await altered(running, table, column, where)
        refused = problem_of(await asha.http.request(method, asked, **options), [500])
        assert refused["code"] == "stored_bytes_altered", asked
        await altered(running, table, column, where)
        assert (await asha.http.request(method, asked, **options)).status_code == 200, asked
    assert running.said.count("application.ports.Tampered") >= len(tried)


async def test_what_was_being_sent_is_cut_where_it_was_altered(
    asha: Person, running: Program
) -> None:
    document = await asha.upload(TEXT, index_mode="none")
    blob = f"SELECT content_blob_id FROM versions WHERE document_id = '{document['id']}'"
    second = f"blob_id = ({blob}) AND start = {PART_BYTES}"
    await altered(running, "blob_parts", "bytes", second, AT - PART_BYTES)
    path = f"/v1/documents/{document['id']}/content"
    received = bytearray()
    with pytest.raises(httpx2.RemoteProtocolError):
        await _receive(asha, path, received)
    assert TEXT.startswith(received)
    assert len(received) == (AT - HEADER_BYTES) // SEALED_CHUNK_BYTES * CHUNK_BYTES
    early = await asha.http.get(path, headers={"Range": "bytes=0-99"})
    assert (early.status_code, early.content) == (206, TEXT[:100])
    late = await asha.http.get(path, headers={"Range": f"bytes={AT}-{AT + 9}"})
    assert problem_of(late, [500])["code"] == "stored_bytes_altered"


async def _receive(person: Person, path: str, received: bytearray) -> None:
    async with person.http.stream("GET", path) as answer:
        assert answer.status_code == 200
        assert int(answer.headers["content-length"]) == len(TEXT)
        async for piece in answer.aiter_bytes():
            received += piece
