"""Jobs: with their transaction or not at all, tried again, and kept when every try failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from pgqueuer import PgQueuer
from pgqueuer.models import Job
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.identifiers import uuid7
from adapters.postgres.engine import APPLICATION, Database, transaction
from adapters.postgres.jobs import PostgresJobs
from domain.identity import TenantId
from entrypoints.worker.jobs import register


async def states(engine: AsyncEngine, name: str) -> list[str]:
    async with engine.connect() as connection:
        rows = await connection.execute(
            text("SELECT status::text FROM pgqueuer WHERE entrypoint = :name"), {"name": name}
        )
        return list(rows.scalars())


@pytest.fixture
async def queue(database: Database) -> AsyncIterator[PgQueuer]:
    connection = await database.connect(APPLICATION)
    queue = PgQueuer.from_asyncpg_connection(connection)
    yield queue
    queue.shutdown.set()
    connection.terminate()


async def enqueue(engine: AsyncEngine, tenant_id: TenantId, name: str) -> None:
    async with transaction(engine, tenant_id) as connection:
        await PostgresJobs(connection).enqueue(name, {"secret": "no"})


async def test_a_rollback_leaves_no_job(engine: AsyncEngine, tenant_id: TenantId) -> None:
    name = f"rolled back {uuid7()}"

    async def change_of_mind() -> None:
        async with transaction(engine, tenant_id) as connection:
            await PostgresJobs(connection).enqueue(name, {})
            raise LookupError

    with pytest.raises(LookupError):
        await change_of_mind()
    assert await states(engine, name) == []


async def test_a_job_that_keeps_failing_is_tried_again_and_then_held(
    engine: AsyncEngine, tenant_id: TenantId, queue: PgQueuer
) -> None:
    name = f"failing {uuid7()}"
    attempts = []

    async def fail(job: Job) -> None:
        attempts.append(job.attempts)
        raise ValueError("with a secret in its message")

    register(queue, name, fail, retries_max=2, first_retry_seconds=0.01)
    await enqueue(engine, tenant_id, name)
    running = asyncio.create_task(queue.run(batch_size=1, max_concurrent_tasks=2))
    async with asyncio.timeout(20):
        while await states(engine, name) != ["failed"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    queue.shutdown.set()
    await running
    assert attempts == [0, 1, 2]
    async with engine.connect() as connection:
        told = await connection.execute(
            text("SELECT coalesce(traceback::text, '') FROM pgqueuer_log")
        )
        assert "secret" not in "".join(told.scalars())
