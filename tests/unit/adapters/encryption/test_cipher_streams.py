"""Streams: equal to slices of the plaintext, and to the library's; noticed when altered."""

from __future__ import annotations

import asyncio
import os
import tracemalloc
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

import pytest
from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.contexts import encode_context
from adapters.encryption.chunked import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SEALED_CHUNK_BYTES,
    sealed_length,
)
from adapters.encryption.cipher import AesGcmCipher
from application.ports import Cipher, Context, DataKey, Tampered

CIPHER: Cipher = AesGcmCipher()
KEY = CIPHER.new_key()
CONTEXT: Context = (b"tenant", b"document", b"\x01")
PLAINTEXT = os.urandom(3 * CHUNK_BYTES + 1000)
Stored = Callable[..., Any]

LENGTHS = (0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES, len(PLAINTEXT))
lengths = st.sampled_from(LENGTHS)
piece_sizes = st.sampled_from([1000, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 300_000])


def _sealed_by_the_library(plaintext: bytes) -> bytes:
    encryptor = Cobblestone256Encryptor(KEY.secret, encode_context(CONTEXT))
    return encryptor.update(plaintext) + encryptor.finalize()


SEALED = {length: _sealed_by_the_library(PLAINTEXT[:length]) for length in LENGTHS}


@given(lengths, piece_sizes, piece_sizes, st.lists(st.binary(max_size=20), max_size=3))
@settings(max_examples=60, deadline=None)
async def test_what_was_sealed_opens_however_it_is_cut_into_pieces(
    stored: Stored, length: int, written: int, read: int, context: list[bytes]
) -> None:
    plaintext = PLAINTEXT[:length]
    sealed = await _sealed(plaintext, context=context, piece_bytes=written)
    assert len(sealed) == sealed_length(length)
    assert CIPHER.plain_length(len(sealed)) == length
    assert await _opened(stored(sealed, piece_bytes=read), context=context) == plaintext


@given(lengths, st.integers(0, len(PLAINTEXT)), st.integers(0, len(PLAINTEXT)), piece_sizes)
@settings(max_examples=150, deadline=None)
async def test_a_range_is_a_slice_and_reads_only_the_chunks_that_hold_it(
    stored: Stored, length: int, one: int, other: int, piece_bytes: int
) -> None:
    start, end = sorted((one % (length + 1), other % (length + 1)))
    source = stored(SEALED[length], piece_bytes=piece_bytes)
    assert await _opened(source, start=start, end=end) == PLAINTEXT[start:end]

    chunks = (end - 1) // CHUNK_BYTES - start // CHUNK_BYTES + 1 if end > start else 0
    if end == length and (start == end or end % CHUNK_BYTES == 0):
        chunks += 1  # the last one proves the length
    read = sum(stop - begin for begin, stop in source.asked)
    assert read <= HEADER_BYTES + chunks * SEALED_CHUNK_BYTES


@given(st.binary(max_size=2 * CHUNK_BYTES))
@settings(max_examples=20, deadline=None)
async def test_the_library_opens_our_messages_and_we_open_the_library_s(
    stored: Stored, plaintext: bytes
) -> None:
    sealed = await _sealed(plaintext)
    decryptor = Cobblestone256Decryptor(KEY.secret, encode_context(CONTEXT))
    assert decryptor.update(sealed) + decryptor.finalize() == plaintext
    assert await _opened(stored(_sealed_by_the_library(plaintext))) == plaintext


async def test_the_same_plaintext_never_has_the_same_ciphertext() -> None:
    one, other = [await _sealed(PLAINTEXT) for _ in range(2)]
    assert one[:24] != other[:24]
    assert one[HEADER_BYTES:] != other[HEADER_BYTES:]


@pytest.mark.parametrize("length", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 7])
async def test_a_message_cut_anywhere_near_a_border_does_not_open(
    stored: Stored, length: int
) -> None:
    sealed = await _sealed(PLAINTEXT[:length])
    borders = {0, 24, HEADER_BYTES, len(sealed)}
    borders |= set(range(HEADER_BYTES, len(sealed), SEALED_CHUNK_BYTES))
    near = {at + by for at in borders for by in (-17, -16, -1, 0, 1, 16, 17)}
    for cut in sorted(at for at in near if 0 <= at < len(sealed)):
        await _assert_tampered(stored(sealed[:cut]), length=cut)
        await _assert_tampered(stored(sealed[:cut]), length=len(sealed))
        if cut > HEADER_BYTES + 16 and (cut - HEADER_BYTES) % SEALED_CHUNK_BYTES >= 16:
            await _assert_tampered(stored(sealed), length=cut)


async def test_bytes_at_the_end_are_noticed(stored: Stored) -> None:
    for length in (0, 10, CHUNK_BYTES):
        sealed = await _sealed(PLAINTEXT[:length])
        again = sealed + sealed[HEADER_BYTES:]
        for longer in (sealed + b"\0", sealed + bytes(16), sealed + bytes(17), again):
            await _assert_tampered(stored(longer), length=len(longer))


async def test_one_flipped_bit_is_noticed_wherever_it_is(stored: Stored) -> None:
    sealed = SEALED[len(PLAINTEXT)]
    chunks = range(HEADER_BYTES, len(sealed), SEALED_CHUNK_BYTES)
    tags = [min(at + SEALED_CHUNK_BYTES, len(sealed)) - 16 for at in chunks]
    for at in (0, 23, 24, HEADER_BYTES - 1, *chunks, *tags, len(sealed) - 1):
        for bit in (0x01, 0x80):
            altered = sealed[:at] + bytes([sealed[at] ^ bit]) + sealed[at + 1 :]
            await _assert_tampered(stored(altered), length=len(sealed))


@pytest.mark.parametrize("piece_bytes", [1_000, 300_000])
@pytest.mark.parametrize("number", range(4))
async def test_what_stands_before_an_altered_chunk_is_yielded_and_nothing_of_it(
    stored: Stored, number: int, piece_bytes: int
) -> None:
    sealed = bytearray(SEALED[len(PLAINTEXT)])
    sealed[HEADER_BYTES + number * SEALED_CHUNK_BYTES + 5] ^= 1
    read: list[bytes] = []

    async def keep(pieces: AsyncIterator[bytes]) -> None:
        async for piece in pieces:
            read.append(piece)

    with pytest.raises(Tampered):
        await keep(_opening(stored(bytes(sealed), piece_bytes=piece_bytes)))
    assert b"".join(read) == PLAINTEXT[: number * CHUNK_BYTES]


async def test_chunks_that_were_swapped_repeated_or_dropped_are_noticed(stored: Stored) -> None:
    sealed = SEALED[len(PLAINTEXT)]
    header, body = sealed[:HEADER_BYTES], sealed[HEADER_BYTES:]
    parts = [body[at : at + SEALED_CHUNK_BYTES] for at in range(0, len(body), SEALED_CHUNK_BYTES)]
    for order in ([1, 0, 2, 3], [0, 0, 2, 3], [0, 2, 3], [1, 2, 3], [0, 1, 2, 2, 3], [3], [0, 3]):
        changed = header + b"".join(parts[number] for number in order)
        await _assert_tampered(stored(changed), length=len(changed))


async def test_chunks_of_another_message_are_noticed(stored: Stored) -> None:
    one, other = [await _sealed(PLAINTEXT) for _ in range(2)]
    border = HEADER_BYTES + SEALED_CHUNK_BYTES
    for at in (24, HEADER_BYTES, border):
        await _assert_tampered(stored(one[:at] + other[at:]), length=len(one))


async def test_a_wrong_length_is_noticed_even_if_the_store_gives_more_than_was_asked() -> None:
    sealed = SEALED[len(PLAINTEXT)]

    async def read(start: int, _end: int) -> AsyncIterator[bytes]:
        yield sealed[start : start + 2 * SEALED_CHUNK_BYTES]

    claimed = HEADER_BYTES + SEALED_CHUNK_BYTES + 100
    opening = CIPHER.open_stream(
        KEY, read, CONTEXT, sealed_length=claimed, start=CHUNK_BYTES, end=CHUNK_BYTES + 84
    )
    with pytest.raises(Tampered):
        await anext(opening)


async def test_a_whole_message_of_another_length_than_was_recorded_is_noticed() -> None:
    """An older version of a content, say, that somebody put back."""
    for recorded, there in ((CHUNK_BYTES, len(PLAINTEXT)), (len(PLAINTEXT), CHUNK_BYTES)):

        async def read(
            start: int, _end: int, content: bytes = SEALED[there]
        ) -> AsyncIterator[bytes]:
            yield content[start:]

        opening = CIPHER.open_stream(
            KEY, read, CONTEXT, sealed_length=sealed_length(recorded), start=0, end=recorded
        )
        with pytest.raises(Tampered):
            _ = [piece async for piece in opening]


async def test_another_key_or_context_opens_nothing(stored: Stored) -> None:
    source = stored(SEALED[len(PLAINTEXT)])
    for context in ((), (b"tenant", b"document"), (b"tenantdocument\x01",), CONTEXT[::-1]):
        with pytest.raises(Tampered):
            await _opened(source, context=context)
    with pytest.raises(Tampered):
        await _opened(source, key=CIPHER.new_key())
    with pytest.raises(Tampered):  # a range of nothing proves its key too
        await _opened(source, key=CIPHER.new_key(), start=5, end=5)


async def test_a_range_outside_the_plaintext_is_a_mistake(stored: Stored) -> None:
    for start, end in ((-1, 1), (2, 1), (0, len(PLAINTEXT) + 1)):
        with pytest.raises(ValueError, match="not a range"):
            await _opened(stored(SEALED[len(PLAINTEXT)]), start=start, end=end)


@pytest.mark.parametrize("secret", [b"", b"k" * 16, b"k" * 31, b"k" * 33])
async def test_a_key_of_another_length_is_refused(stored: Stored, secret: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        await _sealed(b"", key=DataKey(secret))
    with pytest.raises(ValueError, match="32 bytes"):
        await _opened(stored(SEALED[0]), key=DataKey(secret))


async def test_memory_stays_flat_and_others_get_their_turn() -> None:
    """Also when the source never waits, and gives all it has in one piece."""
    length, peak_bytes_max = 8 * 1024 * 1024, 1024 * 1024
    zeros = bytes(length)
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def one_piece() -> AsyncIterator[bytes]:
        yield zeros

    sealed = await _sealed(zeros)
    chunks = sealed[HEADER_BYTES:]

    async def read(start: int, end: int) -> AsyncIterator[bytes]:
        yield chunks if start else sealed[:end]

    counting = asyncio.create_task(count_turns())
    tracemalloc.start()
    try:
        written = read_back = 0
        async for piece in CIPHER.seal_stream(KEY, one_piece(), CONTEXT):
            written += len(piece)
        opening = CIPHER.open_stream(
            KEY, read, CONTEXT, sealed_length=len(sealed), start=0, end=length
        )
        async for piece in opening:
            read_back += len(piece)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        counting.cancel()
    assert (written, read_back) == (len(sealed), length)
    assert peak < peak_bytes_max
    assert turns >= 2 * length // (1024 * 1024)


async def test_a_reader_that_leaves_early_leaves_nothing_open(stored: Stored) -> None:
    closed: list[int] = []
    source = stored(SEALED[len(PLAINTEXT)])

    async def read(start: int, end: int) -> AsyncIterator[bytes]:
        try:
            async for piece in source.read(start, end):
                yield piece
        finally:
            closed.append(start)

    opening = CIPHER.open_stream(
        KEY, read, CONTEXT, sealed_length=len(source.content), start=0, end=len(PLAINTEXT)
    )
    async with aclosing(opening) as pieces:  # type: ignore[type-var]
        await anext(pieces)
    assert closed == [0]


async def _pieces(plaintext: bytes, piece_bytes: int) -> AsyncIterator[bytes]:
    for begin in range(0, len(plaintext), piece_bytes):
        yield plaintext[begin : begin + piece_bytes]


async def _sealed(
    plaintext: bytes,
    *,
    key: DataKey = KEY,
    context: Context = CONTEXT,
    piece_bytes: int = 50_000,
) -> bytes:
    pieces = CIPHER.seal_stream(key, _pieces(plaintext, piece_bytes), context)
    return b"".join([piece async for piece in pieces])


def _opening(
    source: Any,
    *,
    key: DataKey = KEY,
    context: Context = CONTEXT,
    length: int | None = None,
    start: int = 0,
    end: int | None = None,
) -> AsyncIterator[bytes]:
    length = len(source.content) if length is None else length
    stop = CIPHER.plain_length(length) if end is None else end
    return CIPHER.open_stream(
        key, source.read, context, sealed_length=length, start=start, end=stop
    )


async def _opened(source: Any, **asked: Any) -> bytes:
    return b"".join([piece async for piece in _opening(source, **asked)])


async def _assert_tampered(source: Any, *, length: int) -> None:
    with pytest.raises(Tampered):
        await _opened(source, length=length)
