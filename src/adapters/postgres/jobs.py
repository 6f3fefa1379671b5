"""Jobs in pgqueuer's tables, enqueued inside the caller's own transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from pgqueuer.queries import Queries
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.identifiers import uuid7

# Fair queueing by the head of the line (S. J. Golestani, "A self-clocked fair queueing scheme for
# broadband applications", INFOCOM 1994): one behind the last of this person's jobs or, who has
# none, one behind the head of the line. It is 0 where nothing waits.
_PLACE = """
    SELECT coalesce(least(own.last, greatest(queued.first, picked.first)), 1) - 1 AS priority,
           nullif(current_setting('app.tenant', true), '') AS tenant
    FROM (SELECT min(priority) AS last FROM pgqueuer
          WHERE headers ->> 'person_id' = $2 AND status IN ('queued', 'picked')) own,
         (SELECT max(priority) AS first FROM pgqueuer
          WHERE entrypoint = $1 AND status = 'queued') queued,
         (SELECT max(priority) AS first FROM pgqueuer
          WHERE entrypoint = $1 AND status = 'picked') picked
"""


@dataclass(frozen=True, slots=True)
class PostgresJobs:
    """`Jobs` on one open transaction: the job exists if, and only if, it commits.

    Whoever has many jobs waits longer for the last of them, and nobody else for them: persons,
    named by `person_id`, take turns. A job belongs to the tenant of its transaction, whatever its
    payload says, and has a name of its own: the queue's numbers count those of all tenants.
    """

    connection: AsyncConnection

    async def enqueue(self, name: str, payload: Mapping[str, str]) -> None:
        driver = (await self.connection.get_raw_connection()).driver_connection
        assert driver is not None
        person = payload.get("person_id", "")
        place = await driver.fetchrow(_PLACE, name, person)
        headers = {"person_id": person, "tenant_id": place["tenant"], "job_id": str(uuid7())}
        queries = Queries.from_asyncpg_connection(driver)
        await queries.enqueue(
            name, msgspec.json.encode(payload), place["priority"], headers=headers
        )
