"""The jobs of a tenant over HTTP: for its administrators, and without anything of content."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Controller, Request, get, post
from litestar.params import FromPath, QueryParameter
from msgspec import field

from application.retrieval.list_jobs import ListJobs
from application.retrieval.retry_job import RetryJob
from domain.identity import Caller, JobId
from domain.retrieval.job import Job, JobError, JobState
from entrypoints.http.idempotency import IdempotencyKey, idempotency_of
from entrypoints.http.injected import Injected
from entrypoints.http.pages import LIMIT_DEFAULT, Cursor, Cursors, Limit, Page, Position, page_of

State = Annotated[
    Literal["queued", "running", "dead"] | None,
    QueryParameter(name="state", description="Only jobs in this state."),
]


class JobErrorShown(msgspec.Struct, kw_only=True):
    """What an attempt failed with: a class and a code, and no words."""

    kind: str = field(name="class")
    code: str


class JobShown(msgspec.Struct, kw_only=True):
    """A job that is not done. `kind` is `index_version`: a version is made searchable.

    `queued` jobs wait, those that failed before until `due_at`; `dead` ones failed at every
    attempt, and stay until somebody retries them. `error` is what went wrong last. `document_id`
    and `version` say what it is about, where it is about a document.
    """

    id: UUID
    kind: str
    state: JobState
    attempts: int
    created_at: datetime
    changed_at: datetime
    due_at: datetime
    age_seconds: int
    document_id: UUID | None
    version: int | None
    error: JobErrorShown | None


class JobRetried(msgspec.Struct, kw_only=True):
    """What the retry made of a job. What became of it since is in the list, until it is done."""

    id: UUID
    state: JobState


class JobsController(Controller):
    """/v1/jobs"""

    path = "/v1/jobs"
    tags = ("Jobs",)

    @get()
    async def list_jobs(
        self,
        caller: Injected[Caller],
        list_jobs: Injected[ListJobs],
        cursors: Injected[Cursors],
        in_state: State = None,
        limit: Limit = LIMIT_DEFAULT,
        cursor: Cursor = None,
    ) -> Page[JobShown]:
        """The tenant's jobs that are not done, the newest first: for administrators."""
        of = f"jobs {in_state}"
        after = cursors.open(cursor, of=of, tenant_id=caller.tenant_id)
        found = await list_jobs(
            caller=caller,
            state=None if in_state is None else JobState(in_state),
            after=_after(after),
            limit=limit + 1,
        )
        return page_of(
            found,
            limit=limit,
            show=_shown,
            position=lambda each: (str(each.id),),
            cursors=cursors,
            of=of,
            tenant_id=caller.tenant_id,
        )

    @post("/{job_id:uuid}/retry", status_code=202)
    async def retry_job(
        self,
        request: Request[Any, Any, Any],
        caller: Injected[Caller],
        retry_job: Injected[RetryJob],
        job_id: FromPath[UUID],
        idempotency_key: IdempotencyKey = None,
    ) -> JobRetried:
        """Queue a dead job again, with all its attempts: for administrators.

        409 for one that is not dead. It is in the log, as `job_retried`.
        """
        idempotency = idempotency_of(request, idempotency_key)
        await retry_job(caller=caller, job_id=JobId(job_id), idempotency=idempotency)
        return JobRetried(id=job_id, state=JobState.QUEUED)


def _after(position: Position | None) -> JobId | None:
    return None if position is None else JobId(UUID(str(position[0])))


def _shown(job: Job) -> JobShown:
    return JobShown(
        id=job.id,
        kind=job.kind,
        state=job.state,
        attempts=job.attempts,
        created_at=job.created_at,
        changed_at=job.changed_at,
        due_at=job.due_at,
        age_seconds=job.age_seconds,
        document_id=None if job.version is None else job.version.document_id,
        version=None if job.version is None else job.version.version,
        error=_error_shown(job.error),
    )


def _error_shown(error: JobError | None) -> JobErrorShown | None:
    return None if error is None else JobErrorShown(kind=error.kind, code=error.code)
