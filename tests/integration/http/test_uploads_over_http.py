"""Uploads: streamed, bounded, and refused with the name of what is wrong."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated, Any

import pytest
from litestar import Request, post
from msgspec import Meta, Struct

from entrypoints.http.access import PUBLIC
from entrypoints.http.multipart import FormLimits, open_form
from entrypoints.http.openapi_document import Upload

LIMITS = FormLimits(
    body_bytes_max=40_000_000, fields_max=6, field_bytes_max=1000, filename_characters_max=40
)


class IndexMode(StrEnum):
    FULL = "full"
    NONE = "none"


class DocumentFields(Struct, forbid_unknown_fields=True, kw_only=True):
    title: Annotated[str, Meta(max_length=20)] | None = None
    index_mode: IndexMode = IndexMode.FULL
    audit: bool = True
    metadata: dict[str, Any] | None = None


@post(
    "/documents",
    opt={**PUBLIC, "upload": Upload(DocumentFields)},
    request_max_body_size=None,
)
async def upload(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """Add a document."""
    form = await open_form(request, limits=LIMITS)
    digest, length, largest = hashlib.sha256(), 0, 0
    async for piece in form.content:
        digest.update(piece)
        length += len(piece)
        largest = max(largest, len(piece))
    fields = await form.fields(DocumentFields)
    return {
        "length": length,
        "largest": largest,
        "digest": digest.hexdigest(),
        "filename": form.filename,
        "content_type": form.content_type,
        "title": fields.title,
        "index_mode": fields.index_mode,
        "audit": fields.audit,
        "metadata": fields.metadata,
    }


@pytest.fixture(scope="module")
async def running(serve: Any) -> AsyncIterator[Any]:
    async with serve(upload) as running:
        yield running


def part(name: str, content: bytes, *, filename: str | None = None) -> bytes:
    head = f'Content-Disposition: form-data; name="{name}"'
    if filename is not None:
        head += f'; filename="{filename}"\r\nContent-Type: text/plain'
    return b"--edge\r\n" + head.encode() + b"\r\n\r\n" + content + b"\r\n"


def send(running: Any, *parts: bytes, tail: bytes = b"--edge--\r\n") -> Any:
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    return running.client.post("/documents", content=b"".join(parts) + tail, headers=headers)


FILE = part("file", b"hello", filename="a.txt")


async def test_fields_may_come_before_or_after_the_file(running: Any) -> None:
    fields = [
        part("title", "Über uns".encode()),
        part("index_mode", b"none"),
        part("audit", b"false"),
        part("metadata", b'{"year": 2026}'),
    ]
    for parts in ([FILE, *fields], [*fields, FILE], [*fields[:2], FILE, *fields[2:]]):
        response = await send(running, *parts)
        assert response.status_code == 201, response.text
        got = response.json()
        assert (got["title"], got["index_mode"], got["audit"]) == ("Über uns", "none", False)
        assert (got["metadata"], got["filename"]) == ({"year": 2026}, "a.txt")
        assert (got["length"], got["content_type"]) == (5, "text/plain")


async def test_the_clients_own_encoder_is_understood(running: Any) -> None:
    content = bytes(range(256)) * 300
    response = await running.client.post(
        "/documents", files={"file": ("scan.pdf", content)}, data={"title": "x"}
    )
    assert response.json()["digest"] == hashlib.sha256(content).hexdigest()


async def test_a_large_file_is_never_wholly_in_memory(running: Any) -> None:
    piece = bytes(65536)

    async def body() -> AsyncIterator[bytes]:
        yield b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(480):
            yield piece
        yield b"\r\n--edge--\r\n"

    tracemalloc.start()
    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    response = await running.client.post("/documents", content=body(), headers=headers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert response.json()["length"] == 480 * 65536
    assert peak < 8_000_000


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ([part("title", b"x")], "/file"),
        ([FILE, FILE], "/file"),
        ([part("file", b"x", filename="n" * 41)], "/file"),
        ([part("file", b"x", filename="a\x07b")], "/file"),
        ([FILE, part("titel", b"x")], "/titel"),
        ([FILE, part("title", b"y" * 21)], "/title"),
        ([FILE, part("title", b"a"), part("title", b"b")], "/title"),
        ([FILE, part("title", b"\xff")], "/title"),
        ([FILE, part("title", b"a\x00b")], "/title"),
        ([FILE, part("index_mode", b"some")], "/index_mode"),
        ([FILE, part("audit", b"perhaps")], "/audit"),
        ([FILE, part("metadata", b"{")], "/metadata"),
        ([FILE, part("metadata", b'{"a": "\\u0000"}')], "/metadata/a"),
        ([FILE, part("title", b"x", filename="t.txt")], "/title"),
    ],
)
async def test_what_is_wrong_is_named(running: Any, parts: list[bytes], pointer: str) -> None:
    response = await send(running, *parts)
    assert response.status_code == 400, response.text
    assert [e["pointer"] for e in response.json()["errors"]] == [pointer]


async def test_several_wrong_fields_are_named_together(running: Any) -> None:
    response = await send(running, FILE, part("audit", b"?"), part("x", b""), part("title", b""))
    assert {e["pointer"] for e in response.json()["errors"]} == {"/audit", "/x"}


@pytest.mark.parametrize(
    ("parts", "status", "code"),
    [
        ([FILE, part("title", b"x" * 1001)], 413, "field_too_large"),
        ([*[part(f"f{n}", b"") for n in range(7)], FILE], 400, "not_multipart"),
        ([b"--edge\r\nX: " + b"y" * 9000], 400, "not_multipart"),
        ([b"--edge\r\nno colon\r\n\r\n"], 400, "not_multipart"),
        ([b"garbage" * 100], 400, "not_multipart"),
    ],
)
async def test_limits_and_malformed_forms_have_their_codes(
    running: Any, parts: list[bytes], status: int, code: str
) -> None:
    response = await send(running, *parts)
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_a_form_that_is_cut_short_is_refused(running: Any) -> None:
    response = await send(running, FILE, tail=b"")
    assert (response.status_code, response.json()["code"]) == (400, "not_multipart")


async def test_a_form_over_the_limit_is_413(running: Any) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(45):
            yield bytes(1_000_000)

    headers = {"Content-Type": "multipart/form-data; boundary=edge"}
    response = await running.client.post("/documents", content=body(), headers=headers)
    assert (response.status_code, response.json()["code"]) == (413, "body_too_large")
    assert "40000000" in response.json()["detail"]


async def test_another_content_type_is_415_and_a_missing_boundary_400(running: Any) -> None:
    response = await running.client.post("/documents", json={})
    assert (response.status_code, response.headers["accept"]) == (415, "multipart/form-data")
    headers = {"Content-Type": "multipart/form-data"}
    bare = await running.client.post("/documents", content=FILE, headers=headers)
    assert (bare.status_code, bare.json()["code"]) == (400, "not_multipart")


async def test_a_file_name_is_the_last_part_of_a_path(running: Any) -> None:
    for sent, kept in (
        ("C:\\\\docs\\\\a.txt", "a.txt"),
        ("../../etc/passwd", "passwd"),
        ("..", None),
        ("", None),
    ):
        response = await send(running, part("file", b"x", filename=sent))
        assert response.json()["filename"] == kept


async def test_a_client_that_leaves_during_an_upload_is_no_error_of_ours(running: Any) -> None:
    running.answered.clear()
    _, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(
        b"POST /documents HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n"
        b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n" + FILE[:-4]
    )
    await writer.drain()
    writer.close()
    await running.until(lambda: running.answered)
    assert running.answered[0].status == 499


async def test_the_form_is_in_the_document(running: Any) -> None:
    document = (await running.client.get("/openapi.json")).json()
    body = document["paths"]["/documents"]["post"]["requestBody"]["content"]
    form = body["multipart/form-data"]["schema"]
    assert form["required"] == ["file"]
    assert set(form["properties"]) == {"file", "title", "index_mode", "audit", "metadata"}
    assert form["additionalProperties"] is False
    assert "IndexMode" in document["components"]["schemas"]
