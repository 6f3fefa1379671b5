"""What an administrator sees of a tenant's jobs, and what a retry does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from pgqueuer import PgQueuer
from pgqueuer.models import Job as QueuedJob
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.identifiers import uuid7
from adapters.postgres.engine import APPLICATION, Database, transaction
from adapters.postgres.jobs import PostgresJobs
from application.ports import Idempotency
from application.vault.ports import INDEX_VERSION
from domain.errors import KeyReused, Unavailable
from domain.identity import Caller, JobId, Role, TenantId
from domain.retrieval.job import (
    Job,
    JobError,
    JobNotDead,
    JobNotFound,
    JobsAreForAdministrators,
    JobState,
)
from entrypoints.container import Container
from entrypoints.worker.jobs import register
from tests.integration.conftest import add_text, new_tenant

CallerIn = Callable[[TenantId], Awaitable[Caller]]
SECRET = "the lease of 1,250 euros"


@pytest.fixture
async def admin(tenant_id: TenantId, caller_in: CallerIn) -> Caller:
    return replace(await caller_in(tenant_id), role=Role.ADMIN)


@pytest.fixture
async def queue(database: Database) -> AsyncIterator[PgQueuer]:
    connection = await database.connect(APPLICATION)
    queue = PgQueuer.from_asyncpg_connection(connection)
    yield queue
    queue.shutdown.set()
    connection.terminate()


class Fails:
    """Fails with each of these, and succeeds from then on."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.runs = 0

    async def __call__(self, _: QueuedJob) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop(0)


async def enqueue(engine: AsyncEngine, tenant_id: TenantId, name: str, /, **about: str) -> None:
    job = {"tenant_id": str(tenant_id), "person_id": str(uuid7()), **about}
    async with transaction(engine, tenant_id) as connection:
        await PostgresJobs(connection).enqueue(name, job)


async def jobs(container: Container, caller: Caller, state: JobState | None = None) -> list[Job]:
    listed = container.list_jobs()
    return list(await listed(caller=caller, state=state, after=None, limit=100))


async def working_on(queue: PgQueuer) -> None:
    soon = timedelta(seconds=0.1)  # nothing tells a worker of a job that is put back: it looks
    await queue.run(batch_size=1, max_concurrent_tasks=2, dequeue_timeout=soon)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def dead(
    container: Container, queue: PgQueuer, admin: Caller, name: str, run: Fails
) -> asyncio.Task[None]:
    """Work until the tenant has a dead job; the worker goes on."""
    register(queue, name, run, retries_max=1, first_retry_seconds=0.01)
    working = asyncio.create_task(working_on(queue))

    async def there_is_one() -> bool:
        return bool(await jobs(container, admin, JobState.DEAD))

    await until(there_is_one)
    return working


async def retried(engine: AsyncEngine, admin: Caller) -> int:
    """How often it is in the log."""
    counted = text(
        "SELECT count(*) FROM audit_events WHERE tenant_id = :t AND type = 'job_retried'"
    )
    async with transaction(engine, admin.tenant_id) as connection:
        return int((await connection.execute(counted, {"t": admin.tenant_id})).scalar_one())


async def test_a_dead_job_tells_what_kind_of_error_it_was_and_nothing_that_was_said(
    engine: AsyncEngine, container: Container, queue: PgQueuer, admin: Caller
) -> None:
    name, document_id = f"failing {uuid7()}", str(uuid7())
    await enqueue(engine, admin.tenant_id, name, document_id=document_id, version="3")
    await dead(container, queue, admin, name, Fails(ValueError(SECRET), Unavailable(SECRET)))
    (job,) = await jobs(container, admin)
    assert (job.kind, job.state, job.attempts) == (name, JobState.DEAD, 2)
    assert job.version is not None
    assert (str(job.version.document_id), job.version.version) == (document_id, 3)
    assert job.error == JobError(kind="Unavailable", code="unavailable")
    assert SECRET not in repr(job)


async def test_what_no_worker_of_ours_wrote_is_not_told(
    engine: AsyncEngine, container: Container, queue: PgQueuer, admin: Caller
) -> None:
    name = f"failing {uuid7()}"
    await enqueue(engine, admin.tenant_id, name)

    async def fail(_: QueuedJob) -> None:
        raise ValueError(SECRET)

    queue.entrypoint(name, on_failure="hold")(fail)
    working = asyncio.create_task(working_on(queue))

    async def is_dead() -> bool:
        return bool(await jobs(container, admin, JobState.DEAD))

    await until(is_dead)
    (job,) = await jobs(container, admin)
    assert job.error is None
    queue.shutdown.set()
    await working


async def test_a_retried_job_has_all_its_attempts_again_and_is_done_once(
    engine: AsyncEngine, container: Container, queue: PgQueuer, admin: Caller
) -> None:
    name, run = f"failing {uuid7()}", Fails(*[ValueError(SECRET) for _ in range(3)])
    await enqueue(engine, admin.tenant_id, name)
    working = await dead(container, queue, admin, name, run)
    (job,) = await jobs(container, admin)
    key = Idempotency(route="retry", key="once", request_hash=b"1" * 32)
    retry = container.retry_job()
    at_once = [retry(caller=admin, job_id=job.id, idempotency=key) for _ in range(8)]
    assert await asyncio.gather(*at_once) == [None] * 8

    async def is_gone() -> bool:
        return not await jobs(container, admin)

    await until(is_gone)  # the third failure was its first attempt of now
    assert run.runs == 4
    await retry(caller=admin, job_id=job.id, idempotency=key)  # also when it is done
    assert await retried(engine, admin) == 1
    other = replace(key, request_hash=b"2" * 32)
    with pytest.raises(KeyReused):
        await retry(caller=admin, job_id=job.id, idempotency=other)
    with pytest.raises(JobNotFound):
        await retry(caller=admin, job_id=job.id, idempotency=None)
    queue.shutdown.set()
    await working


async def test_retries_at_the_same_moment_put_it_back_once(
    engine: AsyncEngine, container: Container, queue: PgQueuer, admin: Caller
) -> None:
    name = f"failing {uuid7()}"
    await enqueue(engine, admin.tenant_id, name)
    working = await dead(container, queue, admin, name, Fails(*[ValueError() for _ in range(2)]))
    queue.shutdown.set()
    await working
    (job,) = await jobs(container, admin)
    retry = container.retry_job()
    each = [retry(caller=admin, job_id=job.id, idempotency=None) for _ in range(8)]
    ended = await asyncio.gather(*each, return_exceptions=True)
    assert sorted(type(one).__name__ for one in ended) == ["JobNotDead"] * 7 + ["NoneType"]
    assert await retried(engine, admin) == 1
    (again,) = await jobs(container, admin, JobState.QUEUED)
    assert (again.id, again.attempts) == (job.id, 0)


async def test_a_job_that_waits_is_not_retried(
    engine: AsyncEngine, container: Container, admin: Caller
) -> None:
    await enqueue(engine, admin.tenant_id, f"waiting {uuid7()}")
    (job,) = await jobs(container, admin)
    assert (job.state, job.attempts, job.error) == (JobState.QUEUED, 0, None)
    with pytest.raises(JobNotDead):
        await container.retry_job()(caller=admin, job_id=job.id, idempotency=None)
    assert await retried(engine, admin) == 0


async def test_nobody_but_an_administrator_of_the_tenant_sees_its_jobs(
    engine: AsyncEngine,
    container: Container,
    database: Database,
    admin: Caller,
    caller_in: CallerIn,
) -> None:
    await enqueue(engine, admin.tenant_id, f"waiting {uuid7()}")
    (job,) = await jobs(container, admin)
    other = replace(await caller_in(await new_tenant(database)), role=Role.ADMIN)
    assert await jobs(container, other) == []
    retry = container.retry_job()
    with pytest.raises(JobNotFound):
        await retry(caller=other, job_id=job.id, idempotency=None)
    for role in (Role.MEMBER, Role.AUDITOR):
        with pytest.raises(JobsAreForAdministrators):
            await jobs(container, replace(admin, role=role))
        with pytest.raises(JobsAreForAdministrators):
            await retry(caller=replace(admin, role=role), job_id=job.id, idempotency=None)


async def test_a_payload_does_not_say_whose_tenants_a_job_is(
    engine: AsyncEngine, container: Container, database: Database, admin: Caller
) -> None:
    other = await new_tenant(database)
    await enqueue(engine, other, f"forged {uuid7()}", tenant_id=str(admin.tenant_id))
    assert await jobs(container, admin) == []


async def test_jobs_are_listed_in_pages_the_newest_first(
    engine: AsyncEngine, container: Container, admin: Caller
) -> None:
    for _ in range(5):
        await enqueue(engine, admin.tenant_id, f"waiting {uuid7()}")
    everything = await jobs(container, admin)
    paged: list[Job] = []
    after: JobId | None = None
    while page := await container.list_jobs()(caller=admin, state=None, after=after, limit=2):
        paged += page
        after = page[-1].id
    assert [job.id for job in paged] == [job.id for job in everything]
    assert [job.id for job in paged] == sorted((job.id for job in paged), reverse=True)
    assert len(paged) == 5


@pytest.mark.parametrize("is_there", [True, False])
async def test_the_log_names_the_document_of_a_retried_job_only_while_it_is_there(
    engine: AsyncEngine, container: Container, admin: Caller, is_there: bool
) -> None:
    document = await add_text(container, admin, "The rent is 1,250 euros.", "Lease")
    if not is_there:
        await container.erase_document()(caller=admin, document_id=document.id)
    async with transaction(engine, admin.tenant_id) as connection:
        await connection.execute(
            text(
                "UPDATE pgqueuer SET status = 'failed'"
                " WHERE CAST(headers ->> 'tenant_id' AS uuid) = :tenant"
            ),
            {"tenant": admin.tenant_id},
        )
    (job,) = await jobs(container, admin, JobState.DEAD)
    assert (job.kind, job.version) == (INDEX_VERSION, document.current.ref)
    await container.retry_job()(caller=admin, job_id=job.id, idempotency=None)
    assert await retried(engine, admin) == 1
    named = text(
        "SELECT count(*) FROM audit_openings o JOIN audit_events e"
        " ON e.tenant_id = o.tenant_id AND e.id = o.event_id"
        " WHERE o.tenant_id = :tenant AND e.type = 'job_retried' AND o.document_id = :document"
    )
    async with transaction(engine, admin.tenant_id) as connection:
        found = await connection.execute(
            named, {"tenant": admin.tenant_id, "document": document.id}
        )
        assert found.scalar_one() == is_there
