"""Documents in the vault: sealed, versioned, read in ranges, and gone when erased."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import text

from adapters.identifiers import uuid7
from adapters.postgres.blobs import PART_BYTES
from adapters.postgres.engine import Database, transaction
from application.ports import Idempotency, Tampered
from application.vault.add_document import DocumentDetails
from domain.errors import KeyReused, PreconditionFailed, TooLarge, UnsupportedType
from domain.identity import PERSONAL_USE, BlobId, Caller, TenantId
from domain.vault.document import AuditMode, Description, Document, DocumentNotFound
from entrypoints.container import Container
from tests.integration.conftest import add_text, in_pieces

CallerIn = Callable[[TenantId], Awaitable[Caller]]
LONG = "".join(f"Line {number}: nothing to see here.\n" for number in range(30_000))


@pytest.fixture
async def asha(tenant_id: TenantId, caller_in: CallerIn) -> Caller:
    return await caller_in(tenant_id)


async def read(
    container: Container,
    caller: Caller,
    document: Document,
    start: int = 0,
    end: int | None = None,
    version: int | None = None,
) -> bytes:
    content = await container.read_content()(
        caller=caller, document_id=document.id, purpose=PERSONAL_USE, version=version
    )
    stop = content.length if end is None else end
    return b"".join([piece async for piece in content.read(start, stop)])


async def count(container: Container, caller: Caller, table: str) -> int:
    async with transaction(container.engine(), caller.tenant_id) as connection:
        counted: int = (
            await connection.execute(text(f"SELECT count(*) FROM {table}"))
        ).scalar_one()
        return counted


async def test_a_long_document_comes_back_whole_and_in_any_range(
    container: Container, asha: Caller
) -> None:
    assert len(LONG) > 3 * PART_BYTES
    document = await add_text(container, asha, LONG, "Long")
    assert await read(container, asha, document) == LONG.encode()
    for start, end in [
        (0, 1),
        (PART_BYTES - 1, PART_BYTES + 1),
        (16_383, 16_385),
        (len(LONG) - 3, len(LONG)),
    ]:
        assert await read(container, asha, document, start, end) == LONG.encode()[start:end]


async def test_nothing_is_stored_in_the_clear(
    container: Container, database: Database, asha: Caller
) -> None:
    await add_text(container, asha, "canary-in-the-content " * 9, "canary-in-the-title")
    connection = await database.connect("postgres")
    try:
        for table in ("blob_parts", "documents", "versions", "data_keys", "wrapping_keys"):
            rows = await connection.fetch(f"SELECT t::text FROM {table} t")
            dump = "".join(row["t"] for row in rows)
            assert "canary" not in dump
            assert b"canary".hex() not in dump
    finally:
        await connection.close()


async def test_a_new_version_leaves_the_old_one_as_it_was(
    container: Container, asha: Caller
) -> None:
    document = await add_text(container, asha, "first", "Notes")
    replaced = await container.replace_content()(
        caller=asha, document_id=document.id, expected_version=1, content=in_pieces(b"second")
    )
    assert replaced.current.ref.version == 2
    assert await read(container, asha, document) == b"second"
    assert await read(container, asha, document, version=1) == b"first"


async def test_of_replacements_at_once_one_succeeds_and_the_others_leave_nothing(
    container: Container, asha: Caller
) -> None:
    document = await add_text(container, asha, "first", "Notes")
    replace = container.replace_content()
    answers = await asyncio.gather(
        *(
            replace(
                caller=asha,
                document_id=document.id,
                expected_version=1,
                content=in_pieces(b"number %d" % number),
            )
            for number in range(8)
        ),
        return_exceptions=True,
    )
    assert sum(isinstance(answer, Document) for answer in answers) == 1
    assert sum(isinstance(answer, PreconditionFailed) for answer in answers) == 7
    assert await count(container, asha, "blobs") == 2


async def test_what_fits_one_part_is_written_as_a_whole_or_not_at_all(
    container: Container, asha: Caller
) -> None:
    async def breaks_off() -> AsyncIterator[bytes]:
        yield b"sealed"
        raise ConnectionResetError

    blobs = container.blobs()
    with pytest.raises(ConnectionResetError):
        await blobs.write(asha, BlobId(uuid7()), breaks_off())
    assert await count(container, asha, "blobs") == 0
    for length in (1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1):
        blob, sealed = BlobId(uuid7()), os.urandom(length)
        assert await blobs.write(asha, blob, in_pieces(sealed)) == length
        assert await blobs.length(asha.tenant_id, blob) == length
        pieces = blobs.read(asha.tenant_id, blob, 0, length)
        assert b"".join([piece async for piece in pieces]) == sealed


async def test_a_repeated_upload_takes_effect_once(container: Container, asha: Caller) -> None:
    async def add(content: bytes, title: str = "Notes") -> Document:
        async def details() -> DocumentDetails:
            return DocumentDetails(description=Description(title=title))

        return await container.add_document()(
            caller=asha,
            content=in_pieces(content),
            details=details,
            idempotency=Idempotency(route="POST /v1/documents", key="k1", request_hash=b""),
        )

    answers = await asyncio.gather(*(add(b"the same") for _ in range(16)))
    assert len({answer.id for answer in answers}) == 1
    assert await count(container, asha, "documents") == 1
    assert await count(container, asha, "blobs") == 1
    assert await count(container, asha, "pgqueuer") >= 1
    for content, title in [(b"other", "Notes"), (b"the same", "Other")]:
        with pytest.raises(KeyReused):
            await add(content, title)
    assert await count(container, asha, "blobs") == 1


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 65_536


@pytest.mark.parametrize(
    ("content", "refusal"),
    [
        (lambda: in_pieces(b"\x89PNG\r\n\x1a\n" + os.urandom(300)), UnsupportedType),
        (lambda: in_pieces(b"MZ" + os.urandom(300)), UnsupportedType),
        (endless, TooLarge),
    ],
    ids=["picture", "program", "endless"],
)
async def test_what_is_refused_leaves_nothing(
    container: Container,
    asha: Caller,
    content: Callable[[], AsyncIterator[bytes]],
    refusal: type[Exception],
) -> None:
    async def details() -> DocumentDetails:
        return DocumentDetails(description=Description(title="No"))

    upload = container.sealed_upload()
    allowed = upload.bytes_max
    object.__setattr__(upload, "bytes_max", 1_000_000)
    try:
        with pytest.raises(refusal):
            await container.add_document()(caller=asha, content=content(), details=details)
    finally:
        object.__setattr__(upload, "bytes_max", allowed)
    for table in ("documents", "versions", "blobs", "blob_parts", "data_keys"):
        assert await count(container, asha, table) == 0


async def test_ciphertext_that_was_swapped_or_changed_does_not_open(
    container: Container, database: Database, asha: Caller
) -> None:
    one = await add_text(container, asha, "one " * 20, "One")
    two = await add_text(container, asha, "two " * 20, "Two")
    connection = await database.connect("postgres")
    blobs = (one.current.content_blob, two.current.content_blob)
    try:
        await connection.execute(
            "UPDATE blob_parts a SET bytes = b.bytes FROM blob_parts b"
            " WHERE a.blob_id = $1 AND b.blob_id = $2",
            *blobs,
        )
        with pytest.raises(Tampered):
            await read(container, asha, one)
        await connection.execute(
            "UPDATE data_keys a SET wrapped = b.wrapped FROM data_keys b"
            " WHERE a.resource_id = $1 AND b.resource_id = $2 AND a.kind = b.kind",
            one.id,
            two.id,
        )
        with pytest.raises(Tampered):
            await read(container, asha, one)
        await connection.execute(
            "UPDATE blob_parts SET bytes = set_byte(bytes, 90, get_byte(bytes, 90) # 1)"
            " WHERE blob_id = $1",
            blobs[1],
        )
        with pytest.raises(Tampered):
            await read(container, asha, two)
    finally:
        await connection.close()


async def test_a_document_that_waits_for_the_log_is_not_shown_before(
    container: Container, asha: Caller
) -> None:
    """Nobody integrates the log in this test, so nothing is shown."""

    async def details() -> DocumentDetails:
        return DocumentDetails(
            description=Description(title="Strict"), audit_mode=AuditMode.INTEGRATED
        )

    document = await container.add_document()(
        caller=asha, content=in_pieces(b"strict"), details=details
    )
    gate = container.release_content()
    object.__setattr__(gate, "gate_seconds_max", 0.4)
    try:
        with pytest.raises(Exception, match="could not be recorded"):
            await read(container, asha, document)
    finally:
        object.__setattr__(gate, "gate_seconds_max", 5.0)


async def test_only_the_owner_replaces_and_erases(
    container: Container, tenant_id: TenantId, asha: Caller, caller_in: CallerIn
) -> None:
    ben = await caller_in(tenant_id)
    document = await add_text(container, asha, "mine", "Mine")
    with pytest.raises(DocumentNotFound):
        await container.erase_document()(caller=ben, document_id=document.id)
    with pytest.raises(DocumentNotFound):
        await container.replace_content()(
            caller=ben, document_id=document.id, expected_version=1, content=in_pieces(b"no")
        )
    assert await read(container, asha, document) == b"mine"
