"""Ciphertext in PostgreSQL, in parts, so that no transaction lasts as long as an upload."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from sqlalchemy import Insert, delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.tables import blob_parts, blobs
from domain.identity import BlobId, Caller, TenantId

PART_BYTES = 256 * 1024
_ABANDONED = text("SELECT tenant_id, blob_id FROM abandoned_blobs()")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresBlobs:
    """`Blobs`. Each part is a row and a transaction of its own; the head is completed last. What
    is one part is one transaction altogether."""

    engine: AsyncEngine

    async def write(self, caller: Caller, blob: BlobId, sealed: AsyncIterator[bytes]) -> int:
        tenant_id = caller.tenant_id
        head = {"tenant_id": tenant_id, "id": blob, "owner_id": caller.person_id}
        parts = _regrouped(sealed)
        first = await anext(parts, b"")
        is_whole = len(first) < PART_BYTES
        async with transaction(self.engine, tenant_id) as connection:
            await connection.execute(
                insert(blobs).values(**head, length=len(first) if is_whole else None)
            )
            await connection.execute(_part(tenant_id, blob, 0, first))
        if is_whole:
            return len(first)
        start = len(first)
        async for part in parts:
            async with transaction(self.engine, tenant_id) as connection:
                await connection.execute(_part(tenant_id, blob, start, part))
            start += len(part)
        completed = update(blobs).where(blobs.c.tenant_id == tenant_id, blobs.c.id == blob)
        async with transaction(self.engine, tenant_id) as connection:
            await connection.execute(completed.values(length=start))
        return start

    async def read(
        self, tenant_id: TenantId, blob: BlobId, start: int, end: int
    ) -> AsyncIterator[bytes]:
        at = start
        while at < end:
            part_start = at // PART_BYTES * PART_BYTES
            wanted = select(blob_parts.c.bytes).where(
                blob_parts.c.tenant_id == tenant_id,
                blob_parts.c.blob_id == blob,
                blob_parts.c.start == part_start,
            )
            async with transaction(self.engine, tenant_id) as connection:
                part = (await connection.execute(wanted)).scalar_one_or_none()
            piece = (part or b"")[at - part_start : end - part_start]
            if not piece:
                return  # erased since, or too short; whoever decrypts sees that it was cut
            yield piece
            at += len(piece)

    async def length(self, tenant_id: TenantId, blob: BlobId) -> int | None:
        wanted = select(blobs.c.length).where(blobs.c.tenant_id == tenant_id, blobs.c.id == blob)
        async with transaction(self.engine, tenant_id) as connection:
            found: int | None = (await connection.execute(wanted)).scalar_one_or_none()
            return found

    async def discard(self, tenant_id: TenantId, blob: BlobId) -> None:
        gone = delete(blobs).where(blobs.c.tenant_id == tenant_id, blobs.c.id == blob)
        async with transaction(self.engine, tenant_id) as connection:
            await connection.execute(gone)

    async def sweep(self) -> int:
        async with self.engine.connect() as connection:
            abandoned = (await connection.execute(_ABANDONED)).all()
        for row in abandoned:
            await self.discard(TenantId(row.tenant_id), BlobId(row.blob_id))
        return len(abandoned)


def _part(tenant_id: TenantId, blob: BlobId, start: int, part: bytes) -> Insert:
    return insert(blob_parts).values(tenant_id=tenant_id, blob_id=blob, start=start, bytes=part)


async def _regrouped(sealed: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in parts of exactly PART_BYTES, the last one shorter."""
    buffer = bytearray()
    async for piece in sealed:
        buffer += piece
        while len(buffer) >= PART_BYTES:
            yield bytes(buffer[:PART_BYTES])
            del buffer[:PART_BYTES]
    if buffer:
        yield bytes(buffer)
