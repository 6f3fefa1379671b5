"""Streams of any length through chunked-encryption, in both directions and in bounded memory.

Memory: one piece of the source and one chunk, whatever the length. The event loop gets its
turn after every MiB (a fraction of a millisecond), also when the source never waits for anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from cryptography.cobblestone import Cobblestone256Decryptor, Cobblestone256Encryptor
from cryptography.exceptions import InvalidTag

from adapters.encryption.chunked import (
    CHUNK_BYTES,
    HEADER_BYTES,
    SEALED_CHUNK_BYTES,
    Chunks,
    chunk_offset,
    plain_length,
)
from application.ports import Tampered

Read = Callable[[int, int], AsyncIterator[bytes]]
"""Yields the ciphertext bytes [start, end), in pieces of any size."""

_STEP_BYTES = 16 * CHUNK_BYTES
_OPEN_STEP_BYTES = 4 * SEALED_CHUNK_BYTES  # larger pieces of memory are had anew each time
_TURN_BYTES = 64 * CHUNK_BYTES


async def seal_pieces(
    key: bytes, context: bytes, plaintext: AsyncIterator[bytes]
) -> AsyncGenerator[bytes]:
    encryptor = Cobblestone256Encryptor(key, context)
    length, turn_at = 0, _TURN_BYTES
    async for piece in plaintext:
        for begin in range(0, len(piece), _STEP_BYTES):
            taken = memoryview(piece)[begin : begin + _STEP_BYTES]
            if sealed := encryptor.update(taken):
                yield sealed
            length += len(taken)
            if length >= turn_at:
                turn_at += _TURN_BYTES
                await asyncio.sleep(0)
    yield encryptor.finalize()


async def open_range(
    key: bytes, context: bytes, read: Read, *, sealed_length: int, start: int, end: int
) -> AsyncGenerator[bytes]:
    """The plaintext bytes [start, end), from the header and the chunks that hold them.

    What is read as a whole goes through the library, what is read in part chunk by chunk. A range
    that reaches the end includes the last chunk, empty or not, and so proves the length. Raises
    Tampered before yielding anything of the chunk that did not open, and ValueError for a range
    outside the plaintext.
    """
    length = plain_length(sealed_length)
    if not 0 <= start <= end <= length:
        raise ValueError(f"[{start}, {end}) is not a range of {length} bytes")
    if (start, end) == (0, length):
        try:
            async with aclosing(_open_whole(key, context, read(0, sealed_length))) as whole:
                async for plaintext in whole:
                    yield plaintext
                    start += len(plaintext)
        except Tampered:
            if start >= length:
                raise
            # What stands before the chunk that was altered comes out, and then it is told.
        else:
            if start != length:
                raise Tampered("a message has another length than was recorded")
            return
    header = await _exactly(HEADER_BYTES, read(0, HEADER_BYTES))
    chunks = Chunks(key, header, context)
    if start == end < length:
        return
    first = start // CHUNK_BYTES
    last = length // CHUNK_BYTES if end == length else (end - 1) // CHUNK_BYTES
    stop = min(chunk_offset(last + 1), sealed_length)
    sealed = _regrouped(read(chunk_offset(first), stop), SEALED_CHUNK_BYTES)
    async with aclosing(sealed):
        for number in range(first, last + 1):
            chunk = await anext(sealed)
            if len(chunk) != min(SEALED_CHUNK_BYTES, stop - chunk_offset(number)):
                raise Tampered("a message has another length than was recorded")
            begin = number * CHUNK_BYTES
            if plaintext := chunks.open(number, chunk)[max(start - begin, 0) : end - begin]:
                yield plaintext
            if (number - first) % 16 == 15:
                await asyncio.sleep(0)


async def _open_whole(
    key: bytes, context: bytes, pieces: AsyncIterator[bytes]
) -> AsyncGenerator[bytes]:
    """All of a message, as the library reads it: from the beginning, and twice as fast."""
    decryptor = Cobblestone256Decryptor(key, context)
    length, turn_at = 0, _TURN_BYTES
    try:
        async for piece in pieces:
            for begin in range(0, len(piece), _OPEN_STEP_BYTES):
                taken = memoryview(piece)[begin : begin + _OPEN_STEP_BYTES]
                if plaintext := decryptor.update(taken):
                    yield plaintext
                length += len(taken)
                if length >= turn_at:
                    turn_at += _TURN_BYTES
                    await asyncio.sleep(0)
        if plaintext := decryptor.finalize():
            yield plaintext
    except InvalidTag:
        raise Tampered("a message was altered or cut, or is of another key or context") from None
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()


async def _exactly(length: int, pieces: AsyncIterator[bytes]) -> bytes:
    async with aclosing(_regrouped(pieces, length)) as groups:
        return bytes(await anext(groups))


async def _regrouped(
    pieces: AsyncIterator[bytes], size: int
) -> AsyncGenerator[bytes | bytearray | memoryview]:
    """Groups of exactly `size` bytes, then one that is shorter, perhaps empty."""
    pending = bytearray()
    try:
        async for piece in pieces:
            rest = memoryview(piece)
            if pending:
                missing = size - len(pending)
                pending += rest[:missing]
                rest = rest[missing:]
                if len(pending) < size:
                    continue
                yield pending
                pending = bytearray()
            while len(rest) >= size:
                yield rest[:size]
                rest = rest[size:]
            pending += rest
        yield pending
    finally:
        if isinstance(pieces, AsyncGenerator):
            await pieces.aclose()
