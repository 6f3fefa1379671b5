"""Jobs of several people: those of one who has many wait, and yet not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec
import pytest
from pgqueuer import PgQueuer
from pgqueuer.models import Job
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.identifiers import uuid7
from adapters.postgres.engine import APPLICATION, Database, transaction
from adapters.postgres.jobs import PostgresJobs
from domain.identity import TenantId
from entrypoints.worker.jobs import IndexJob, register

MANY = 30

Done = Callable[[str], Awaitable[None]]
"""Called with the person of each job that is done."""


@pytest.fixture
async def queue(database: Database) -> AsyncIterator[PgQueuer]:
    connection = await database.connect(APPLICATION)
    yield PgQueuer.from_asyncpg_connection(connection)
    connection.terminate()


async def test_one_persons_many_jobs_do_not_keep_another_waiting(
    engine: AsyncEngine, tenant_id: TenantId, queue: PgQueuer
) -> None:
    name, busy, other = f"turns {uuid7()}", str(uuid7()), str(uuid7())
    for _ in range(MANY):
        await _enqueue(engine, tenant_id, name, busy)
    await _enqueue(engine, tenant_id, name, other)
    done = await _all_done(queue, name, MANY + 1)
    assert done.index(other) < 3


async def test_many_jobs_are_done_however_many_others_come_meanwhile(
    engine: AsyncEngine, tenant_id: TenantId, queue: PgQueuer
) -> None:
    """Three others never run out of jobs: each hands in the next one when one is done."""
    name, busy = f"turns {uuid7()}", str(uuid7())
    others = [str(uuid7()) for _ in range(3)]
    for person in [*[busy] * MANY, *others]:
        await _enqueue(engine, tenant_id, name, person)

    async def another(person: str) -> None:
        if person in others:
            await _enqueue(engine, tenant_id, name, person)

    done = await _all_done(queue, name, 5 * MANY, another)
    assert done.count(busy) == MANY
    assert min(done.count(person) for person in others) >= MANY


async def _enqueue(engine: AsyncEngine, tenant_id: TenantId, name: str, person: str) -> None:
    job = {"tenant_id": str(tenant_id), "person_id": person}
    of_something = {"document_id": str(uuid7()), "version": "1"}
    async with transaction(engine, tenant_id) as connection:
        await PostgresJobs(connection).enqueue(name, job | of_something)


async def _all_done(queue: PgQueuer, name: str, count: int, then: Done | None = None) -> list[str]:
    """Whose job was done, one after the other, until there were `count`."""
    done: list[str] = []
    one_at_a_time = asyncio.Lock()

    async def work(job: Job) -> None:
        person = str(msgspec.json.decode(job.payload or b"", type=IndexJob, strict=False).person_id)
        async with one_at_a_time:
            done.append(person)
            if then is not None:
                await then(person)
        if len(done) >= count:
            queue.shutdown.set()

    register(queue, name, work)
    async with asyncio.timeout(60):
        await queue.run(batch_size=1, max_concurrent_tasks=2)
    return done[:count]
