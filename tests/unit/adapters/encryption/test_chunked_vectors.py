"""Wycheproof's vectors of Cobblestone-256, read as a stream, by ranges, and from the end."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor

from adapters.encryption.chunked import CHUNK_BYTES, plain_length, sealed_length
from adapters.encryption.streams import open_range
from application.ports import Tampered

FILE = "c2sp_chunked_encryption_aes_256_gcm_test.json"
Stored = Callable[..., Any]


@pytest.fixture(scope="module")
def vectors(shared_data: Path) -> list[dict[str, Any]]:
    groups = json.loads((shared_data / "vectors" / FILE).read_text())["testGroups"]
    return [_unpacked(vector) for group in groups for vector in group["tests"]]


async def test_every_valid_message_opens(vectors: list[dict[str, Any]], stored: Stored) -> None:
    valid = [vector for vector in vectors if vector["result"] == "valid"]
    assert len(valid) == 10
    for vector in valid:
        plaintext = b"".join(await _opened(vector, stored))
        assert plain_length(len(vector["ct"])) == len(plaintext) == vector["msgLength"]
        assert sealed_length(len(plaintext)) == len(vector["ct"])
        assert hashlib.sha512(plaintext).hexdigest() == vector["msgSha512"], vector["comment"]


async def test_every_invalid_message_fails_after_no_more_than_its_valid_beginning(
    vectors: list[dict[str, Any]], stored: Stored
) -> None:
    invalid = [vector for vector in vectors if vector["result"] == "invalid"]
    assert len(invalid) == 25
    for vector in invalid:
        seen: list[bytes] = []
        with pytest.raises(_refusals(vector)):
            await _opened(vector, stored, into=seen)
        plaintext = b"".join(seen)
        assert len(plaintext) in {0, vector.get("msgLength", 0)}, vector["comment"]
        if plaintext:
            assert hashlib.sha512(plaintext).hexdigest() == vector["msgSha512"]


async def test_the_length_is_proven_by_the_last_chunk_alone(
    vectors: list[dict[str, Any]], stored: Stored
) -> None:
    proven = 0
    for vector in vectors:
        if vector["result"] == "valid" or "ValidFinalChunk" in vector["flags"]:
            end = plain_length(len(vector["ct"]))
            rest = b"".join(await _opened(vector, stored, start=end))
            assert rest == b""
            proven += 1
        else:
            with pytest.raises(_refusals(vector)):
                await _opened(vector, stored, start=None)
    assert proven == 14


async def test_a_range_of_a_long_message_is_what_the_library_decrypts_there(
    vectors: list[dict[str, Any]], stored: Stored
) -> None:
    (long,) = [vector for vector in vectors if vector["tcId"] == 8]
    library = Cobblestone256Decryptor(long["key"], long["ctx"])
    plaintext = library.update(long["ct"]) + library.finalize()
    border = 256 * CHUNK_BYTES
    for start, end in ((border - 1, border + 1), (border, border + CHUNK_BYTES), (5, 6)):
        assert b"".join(await _opened(long, stored, start=start, end=end)) == plaintext[start:end]


def _unpacked(vector: dict[str, Any]) -> dict[str, Any]:
    fields = {name: bytes.fromhex(vector[name]) for name in ("key", "ctx", "ct")}
    return {**vector, **fields, "ct": zlib.decompress(fields["ct"])}


def _refusals(vector: dict[str, Any]) -> type[Exception]:
    """A key of the wrong length is a mistake of ours, and nobody's tampering."""
    return ValueError if "InvalidKeySize" in vector["flags"] else Tampered


async def _opened(
    vector: dict[str, Any],
    stored: Stored,
    *,
    start: int | None = 0,
    end: int | None = None,
    into: list[bytes] | None = None,
) -> list[bytes]:
    """`start` None is the end."""
    pieces = [] if into is None else into
    length = len(vector["ct"])
    stop = plain_length(length) if end is None else end
    opening = open_range(
        vector["key"],
        vector["ctx"],
        stored(vector["ct"]).read,
        sealed_length=length,
        start=stop if start is None else start,
        end=stop,
    )
    async for piece in opening:
        pieces.append(piece)
    return pieces
