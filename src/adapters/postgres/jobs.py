"""Jobs in pgqueuer's tables, enqueued inside the caller's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from pgqueuer.queries import Queries
from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True, slots=True)
class PostgresJobs:
    """`Jobs` on one open transaction: the job exists if, and only if, it commits."""

    connection: AsyncConnection

    async def enqueue(self, name: str, payload: Mapping[str, str]) -> None:
        pooled = await self.connection.get_raw_connection()
        queries = Queries.from_asyncpg_connection(pooled.driver_connection)
        await queries.enqueue(name, msgspec.json.encode(payload))
