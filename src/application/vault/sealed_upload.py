"""An upload on its way in: judged by its content, measured, sealed, and only then stored."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from application.ports import Cipher, Context, DataKey
from application.vault.ports import Blobs, TypeOf, WhyUnsupported
from domain.errors import Invalid, TooLarge, UnsupportedType
from domain.identity import BlobId, Caller

SAMPLE_BYTES = 64 * 1024


class NothingUploaded(Invalid):
    """The file is empty."""

    code = "nothing_uploaded"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredUpload:
    """What was stored; `hash` is SHA-256 of the plaintext, for telling two requests apart."""

    media_type: str
    content_length: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedUpload:
    """Stores an upload that no disk ever sees in the clear."""

    blobs: Blobs
    cipher: Cipher
    type_of: TypeOf
    why_unsupported: WhyUnsupported
    bytes_max: int

    async def __call__(
        self,
        *,
        caller: Caller,
        blob: BlobId,
        content: AsyncIterator[bytes],
        key: DataKey,
        context: Context,
    ) -> StoredUpload:
        """Raises TooLarge, UnsupportedType or NothingUploaded, and then nothing is kept."""
        measured = _Measured(self.bytes_max)
        try:
            sealed = self.cipher.seal_stream(key, measured.through(content), context)
            await self.blobs.write(caller, blob, sealed)
            if measured.length == 0:
                raise NothingUploaded(field="/file")
            head, tail = bytes(measured.head), bytes(measured.tail)
            media_type = self.type_of(head, tail)
            if media_type is None:
                raise UnsupportedType(self.why_unsupported(head, tail), field="/file")
        except BaseException:
            await self.blobs.discard(caller.tenant_id, blob)
            raise
        return StoredUpload(
            media_type=media_type,
            content_length=measured.length,
            hash=measured.hash.digest(),
        )


@dataclass(slots=True)
class _Measured:
    """Length, hash, and both ends of a stream, taken while it passes."""

    bytes_max: int
    length: int = 0
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    hash: hashlib._Hash = field(default_factory=hashlib.sha256)

    async def through(self, content: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        async for piece in content:
            self.length += len(piece)
            if self.length > self.bytes_max:
                raise TooLarge(f"A file has at most {self.bytes_max:,} bytes.", field="/file")
            self.hash.update(piece)
            if len(self.head) < SAMPLE_BYTES:
                self.head += piece[: SAMPLE_BYTES - len(self.head)]
            self.tail += piece
            del self.tail[:-SAMPLE_BYTES]
            yield piece
