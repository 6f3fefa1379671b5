"""The jobs of a tenant in pgqueuer's tables: looked at, and put back.

The queue is of all tenants, because a worker serves them all. What is asked here says whose, by the
name that each job was given when it was handed in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from pgqueuer.queries import Queries
from pgqueuer.types import JobId as JobNumber
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import AuditedResource, record_event
from adapters.postgres.engine import transaction
from adapters.postgres.evidence import PostgresEvidence
from adapters.postgres.idempotency import claim
from adapters.postgres.statements import statement
from adapters.postgres.tables import documents
from application.ports import Idempotency, NewId
from domain.identity import Caller, DocumentId, JobId, VersionRef
from domain.retrieval.job import Job, JobError, JobNotDead, JobNotFound, JobState

_STATUS = {JobState.QUEUED: "queued", JobState.RUNNING: "picked", JobState.DEAD: "failed"}
_STATES = {status: state for state, status in _STATUS.items()}


class _About(msgspec.Struct, frozen=True, kw_only=True):
    """What a payload says, where it is about a version."""

    document_id: UUID
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresQueuedJobs:
    """`QueuedJobs`."""

    engine: AsyncEngine
    evidence: PostgresEvidence
    new_id: NewId

    async def of_tenant(
        self, caller: Caller, *, state: JobState | None, after: JobId | None, limit: int
    ) -> Sequence[Job]:
        asked = {
            "tenant": caller.tenant_id,
            "after": after,
            "status": None if state is None else _STATUS[state],
            "limit": limit,
        }
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            rows = (await connection.execute(statement("list_jobs"), asked)).all()
        return [_job_of(row) for row in rows]

    async def put_back(
        self, caller: Caller, job_id: JobId, idempotency: Idempotency | None
    ) -> None:
        event_id = self.new_id()
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            if await claim(connection, caller, idempotency, event_id) != event_id:
                return
            job = await _hold(connection, caller, job_id)
            await _requeue(connection, job.id)
            version = await _held_version(connection, caller, _version_of(job.payload))
            await record_event(
                connection,
                caller,
                sealing,
                event_id=event_id,
                type="job_retried",
                at=None,
                resources=[] if version is None else [_audited(version)],
                body={"job_id": str(job_id), "kind": job.entrypoint},
            )


async def _hold(connection: AsyncConnection, caller: Caller, job_id: JobId) -> Any:
    asked = {"tenant": caller.tenant_id, "job": job_id}
    job = (await connection.execute(statement("hold_job"), asked)).one_or_none()
    if job is None:
        raise JobNotFound
    if _STATES.get(job.status) is not JobState.DEAD:
        raise JobNotDead
    return job


async def _requeue(connection: AsyncConnection, number: int) -> None:
    """By the queue's own statement: it knows what a job needs in order to be taken again."""
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None
    await Queries.from_asyncpg_connection(driver).requeue_jobs([JobNumber(number)])


async def _held_version(
    connection: AsyncConnection, caller: Caller, version: VersionRef | None
) -> VersionRef | None:
    """None where the document was erased. It is not, before what names it is written."""
    if version is None:
        return None
    there = (
        select(documents.c.id)
        .where(documents.c.tenant_id == caller.tenant_id, documents.c.id == version.document_id)
        .with_for_update(read=True, key_share=True)
    )
    return None if (await connection.execute(there)).one_or_none() is None else version


def _audited(version: VersionRef) -> AuditedResource:
    return AuditedResource(document_id=version.document_id, version=version.version)


def _job_of(row: Any) -> Job:
    state = _STATES[row.status]
    return Job(
        id=JobId(UUID(str(row.job_id))),
        kind=row.entrypoint,
        state=state,
        # The queue counts those that are over, and not the last one of a job that is dead.
        attempts=row.attempts + (0 if state is JobState.QUEUED else 1),
        created_at=row.created,
        changed_at=row.updated,
        due_at=row.execute_after,
        age_seconds=row.age_seconds,
        version=_version_of(row.payload),
        error=JobError.read(row.error),
    )


def _version_of(payload: bytes | None) -> VersionRef | None:
    try:
        about = msgspec.json.decode(payload or b"", type=_About, strict=False)
    except msgspec.DecodeError:
        return None
    return VersionRef(document_id=DocumentId(about.document_id), version=about.version)
