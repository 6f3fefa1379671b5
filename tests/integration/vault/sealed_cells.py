"""Every value that is stored sealed, found in the catalogue, and what a superuser does to it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg

from tests.integration.vault.belongings import Belongings
from tests.integration.vault.moved_rows import Move, Swap

SEALED = {
    ("wrapping_keys", "wrapped"): ("id",),
    ("data_keys", "wrapped"): ("id",),
    ("blob_parts", "bytes"): ("blob_id", "start"),
    ("documents", "sealed_metadata"): ("id",),
    ("passages", "sealed_text"): ("id",),
    ("sealed_index", "sealed_entries"): ("document_id", "version", "first_ordinal"),
    ("collections", "sealed_title"): ("id",),
    ("conversations", "sealed_title"): ("id",),
    ("messages", "sealed_content"): ("id",),
    ("run_events", "sealed_data"): ("run_id", "number"),
    ("totp", "sealed_secret"): ("id",),
    ("audit_openings", "sealed_evidence"): ("document_id", "event_id", "version"),
    ("audit_bodies", "sealed_body"): ("event_id",),
}
"""Column and key. Each is read by something below."""

NOT_SEALED = {
    ("data_keys", "public_key"),  # seals evidence, opens nothing
    ("refresh_tokens", "token_hash"),
    ("share_links", "token_hash"),
    ("grant_tokens", "token_hash"),
    ("recovery_codes", "code_hash"),
    ("client_secrets", "secret_hash"),
    ("idempotency_keys", "request_hash"),
    ("notices", "hash"),
    ("consents", "notice_hash"),
    ("versions", "text_commitment"),
    ("audit_events", "actor_commitment"),
    ("audit_events", "body_commitment"),
    ("audit_resources", "commitment"),
    ("audit_resources", "evidence_commitment"),
    ("audit_bodies", "salt"),
    ("audit_openings", "salt"),
    ("audit_leaves", "leaf"),
    ("audit_nodes", "hash"),
    ("audit_checkpoints", "root"),
    ("pgqueuer", "payload"),
}
"""Hashes, commitments, what is public, and jobs, which name ids."""

SEALED_ELSEWHERE = {("answer_manifests", "sealed_manifest"), ("runs", "sealed_terms")}
"""Sealed like an answer, under the same key; of terms see test_branches.py."""

MOVED = sorted({table for table, _ in SEALED} | {"versions", "blobs", "audit_resources"})


_OF_NO_TENANT = "NOT EXISTS (SELECT FROM tenants n WHERE n.tenant_id = t.tenant_id)"


@dataclass(frozen=True, slots=True)
class Cell:
    """One sealed value: where it is, what it is, and the reader that opens it."""

    table: str
    column: str
    key: tuple[Any, ...]
    sealed: bytes
    reader: str

    @property
    def kind(self) -> tuple[str, str, str]:
        return self.table, self.column, self.reader


@dataclass
class Superuser:
    """Changes what it likes: past row-level security, triggers and foreign keys."""

    connection: asyncpg.Connection

    async def put(self, cell: Cell, sealed: bytes) -> None:
        names = SEALED[cell.table, cell.column]
        where = " AND ".join(f"{name} = ${at}" for at, name in enumerate(names, start=2))
        statement = f"UPDATE {cell.table} SET {cell.column} = $1 WHERE {where}"
        assert await self.connection.execute(statement, sealed, *cell.key) == "UPDATE 1"

    async def move(self, move: Move) -> None:
        """Every step of it touches something, or it would prove nothing."""
        async with self.connection.transaction():
            for step in move.steps:
                if isinstance(step, Swap):
                    await self._swap(step)
                else:
                    assert await self.connection.execute(step) != "UPDATE 0", step

    async def keep(self, tenants: Sequence[UUID]) -> None:
        """All rows of these tenants as they are, in tables of this connection's own."""
        for table in MOVED:
            query = f"CREATE TEMP TABLE kept_{table} AS SELECT * FROM {table} WHERE tenant_id = ANY"
            await self.connection.execute(f"{query} ('{{{','.join(map(str, tenants))}}}')")

    async def put_back(self, move: Move) -> None:
        """The rows of the tables that a move was about; what it put under a tenant that there is
        none of is not left there, where whoever goes through all tenants would come upon it."""
        whole = " ".join(str(step) for step in move.steps)
        async with self.connection.transaction():
            for table in MOVED:
                if table in whole:
                    kept = f"kept_{table}"
                    await self.connection.execute(
                        f"DELETE FROM {table} t WHERE tenant_id IN (SELECT tenant_id FROM {kept})"
                        f" OR {_OF_NO_TENANT}"
                    )
                    await self.connection.execute(
                        f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM {kept}"
                    )

    async def of_no_tenant(self) -> int:
        """Rows that a move left behind."""
        counts = [f"SELECT count(*) FROM {table} t WHERE {_OF_NO_TENANT}" for table in MOVED]
        return int(await self.connection.fetchval(f"SELECT ({') + ('.join(counts)})"))

    async def _swap(self, swap: Swap) -> None:
        table, column = swap.table, swap.column
        one, two = [
            (await self.connection.fetch(f"SELECT {column} AS v FROM {table} WHERE {each}"))[0]["v"]
            for each in (swap.one, swap.two)
        ]
        assert one != two, swap
        for value, where in (
            [(two, swap.one), (one, swap.two)]
            if swap.via is None
            else [(swap.via, swap.one), (one, swap.two), (two, f"{column} = $2")]
        ):
            arguments = [value, swap.via] if "$2" in where else [value]
            await self.connection.execute(
                f"UPDATE {table} SET {column} = $1 WHERE {where}", *arguments
            )

    async def cells(self, mine: Belongings) -> list[Cell]:
        found = []
        for (table, column), key in SEALED.items():
            rows = await self.connection.fetch(
                f"SELECT t.*, {column} AS sealed FROM {table} t WHERE tenant_id = $1"
                f" AND {column} IS NOT NULL ORDER BY {', '.join(key)}",
                mine.caller.tenant_id,
            )
            blobs = await self._blobs(mine)
            for row in rows:
                reader = _reader(mine, table, row, blobs)
                if reader is not None:
                    place = tuple(row[name] for name in key)
                    found.append(Cell(table, column, place, row["sealed"], reader))
        return found

    async def _blobs(self, mine: Belongings) -> dict[Any, str]:
        rows = await self.connection.fetch(
            "SELECT * FROM versions WHERE tenant_id = $1", mine.caller.tenant_id
        )
        of_content = {
            row["content_blob_id"]: mine.opens.get(
                (row["document_id"], f"content {row['version']}")
            )
            for row in rows
        }
        of_text = {row["text_blob_id"]: "text" for row in rows if row["document_id"] == mine.short}
        return {blob: reader for blob, reader in (of_content | of_text).items() if reader}


@asynccontextmanager
async def superuser(connection: asyncpg.Connection) -> AsyncIterator[Superuser]:
    await connection.execute("SET session_replication_role = replica")
    yield Superuser(connection)


def flips(sealed: bytes, positions: Sequence[int]) -> Iterator[bytes]:
    """One bit of each of these bytes, another one each time."""
    for number, at in enumerate(positions):
        altered = bytearray(sealed)
        altered[at] ^= 1 << (number % 8)
        yield bytes(altered)


def cut_and_extended(sealed: bytes, borders: Sequence[int] = ()) -> Iterator[bytes]:
    """At the borders, beside them, in the middle, and at both ends."""
    near = {0, 1, 11, 12, 13, 27, 28, 29, len(sealed) // 2, len(sealed) - 16, len(sealed) - 1}
    near |= {border + step for border in borders for step in (-1, 0, 1)}
    yield from (sealed[:length] for length in sorted(near) if 0 <= length < len(sealed))
    yield from (sealed[1:], b"\0" + sealed, sealed + b"\0", sealed + bytes(16), sealed + sealed)


def sampled(length: int, count: int, seed: int = 7) -> list[int]:
    """Positions, all of them where there are not more than `count`."""
    if length <= count:
        return list(range(length))
    return sorted(random.Random(seed).sample(range(length), count))


def _reader(mine: Belongings, table: str, row: Any, blobs: dict[Any, str]) -> str | None:
    match table:
        case "wrapping_keys":
            return "title" if row["subject_id"] in (None, mine.caller.person_id) else None
        case "data_keys":
            return mine.opens.get((row["resource_id"], f"{row['kind']} {row['version']}"))
        case "blob_parts":
            return blobs.get(row["blob_id"])
        case "documents":
            return mine.opens.get((row["id"], "metadata 0"))
        case "passages":
            found = {mine.short: "passage", mine.sealed: "sealed passage"}
            return found.get(row["document_id"])
        case "sealed_index":
            return "sealed passage" if row["document_id"] == mine.sealed else None
        case "collections":
            return "collection" if row["id"] == mine.collection else None
        case "conversations":
            return "conversation" if row["id"] == mine.conversation else None
        case "messages":
            return "messages" if row["conversation_id"] == mine.conversation else None
        case "run_events":
            return "answer" if row["run_id"] == mine.run else None
        case "totp":
            return "totp" if row["id"] == mine.totp else None
        case "audit_openings":
            return "evidence" if row["event_id"] == mine.release else None
        case "audit_bodies":
            return "body" if row["event_id"] == mine.change else None
    return None
