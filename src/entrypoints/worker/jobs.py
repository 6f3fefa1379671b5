"""The worker: takes jobs from the queue and runs the use case that each one names."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import asyncpg
import msgspec
import structlog
from pgqueuer import PgQueuer
from pgqueuer.executors import DatabaseRetryEntrypointExecutor
from pgqueuer.models import Context, Job

from adapters.postgres.engine import APPLICATION, Database
from application.retrieval.index_version import IndexVersion
from application.vault.ports import INDEX_VERSION
from domain.identity import Caller, DocumentId, PersonId, TenantId, VersionRef
from domain.retrieval.job import JobError
from entrypoints.telemetry import job_span

RETRIES_MAX = 5
FIRST_RETRY_SECONDS = 2.0
RECONNECT_SECONDS = 2.0
# A job whose worker says nothing for this long is taken over.
LEASE_SECONDS = 30.0
POLL_SECONDS = 5.0

# It counts as an attempt: a job that kills its process does not do so for ever.
_TAKE_BACK = """
    UPDATE pgqueuer SET status = 'queued', queue_manager_id = NULL, slot = NULL,
                        attempts = attempts + 1, updated = now()
    WHERE status = 'picked'
"""

log = structlog.get_logger(__name__)


class IndexJob(msgspec.Struct, frozen=True, kw_only=True):
    """What `index_version` is told: ids, and nothing else."""

    tenant_id: UUID
    person_id: UUID
    document_id: UUID
    version: int


class JobFailed(Exception):
    """A job failed; the message is a JobError: the class and the code of what went wrong."""


@dataclass(slots=True)
class Worker:
    """Runs jobs until it is stopped. A lost database is waited for; nothing is lost with it.

    `alone` says that no other process works on this database, so that whatever is marked as
    picked when it starts was picked by one that has died, and need not wait for its lease to end.
    """

    database: Database
    index_version: IndexVersion
    jobs_at_once: int
    alone: bool = False
    connected: bool = field(default=False, init=False)
    _queue: PgQueuer | None = field(default=None, init=False)
    _stopped: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Work beside whatever else this process does; finish the jobs at hand on the way out."""
        task = asyncio.create_task(self.run(), name="worker")
        try:
            yield
        finally:
            await self.stop()
            with suppress(asyncio.CancelledError, TimeoutError):
                async with asyncio.timeout(LEASE_SECONDS):
                    await task

    async def stop(self) -> None:
        """Take no further job."""
        if self._queue is not None:
            self._queue.shutdown.set()
        self._stopped.set()

    async def run(self) -> None:
        take_back = self.alone
        while not self._stopped.is_set():
            try:
                await self._run_until_lost(take_back=take_back)
                take_back = False
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
                log.warning("worker_lost_database", error=type(error).__name__)
            self.connected = False
            with suppress(TimeoutError):
                async with asyncio.timeout(RECONNECT_SECONDS):
                    await self._stopped.wait()

    async def _run_until_lost(self, *, take_back: bool) -> None:
        connection = await self.database.connect(APPLICATION)
        try:
            if take_back:
                await connection.execute(_TAKE_BACK)
            self._queue = queue = PgQueuer.from_asyncpg_connection(connection)
            self._register(queue)
            if self._stopped.is_set():  # while it connected, before there was a queue to tell
                return
            connection.add_termination_listener(lambda _: queue.shutdown.set())
            self.connected = True
            await queue.run(
                batch_size=max(1, self.jobs_at_once // 2),
                max_concurrent_tasks=max(2, self.jobs_at_once),
                dequeue_timeout=timedelta(seconds=POLL_SECONDS),
                heartbeat_timeout=timedelta(seconds=LEASE_SECONDS),
            )
        finally:
            connection.terminate()

    def _register(self, queue: PgQueuer) -> None:
        register(queue, INDEX_VERSION, self._index)

    async def _index(self, job: Job) -> None:
        told = msgspec.json.decode(job.payload or b"", type=IndexJob, strict=False)
        await self.index_version(
            caller=Caller(tenant_id=TenantId(told.tenant_id), person_id=PersonId(told.person_id)),
            version=VersionRef(document_id=DocumentId(told.document_id), version=told.version),
            last_attempt=job.attempts >= RETRIES_MAX,
        )


def register(
    queue: PgQueuer,
    name: str,
    run: Callable[[Job], Awaitable[None]],
    *,
    retries_max: int = RETRIES_MAX,
    first_retry_seconds: float = FIRST_RETRY_SECONDS,
) -> None:
    """Run `run` for jobs of this name: retried with backoff, and kept when all attempts failed."""

    async def logged(job: Job, _context: Context) -> None:
        structlog.contextvars.bind_contextvars(job_id=str(job.id), job=name)
        try:
            with job_span(name, attempt=job.attempts + 1):
                await run(job)
        except Exception as error:  # noqa: BLE001 - whatever it is, the queue tries again
            log.warning("job_failed", attempt=job.attempts + 1, error=type(error).__name__)
            # The queue keeps what is raised; a message could quote what was being read.
            raise JobFailed(str(JobError.of(error))) from None

    queue.entrypoint(
        name,
        on_failure="hold",  # the default deletes what failed for good
        accepts_context=True,
        executor_factory=lambda parameters: DatabaseRetryEntrypointExecutor(
            parameters,
            max_attempts=retries_max,
            initial_delay=timedelta(seconds=first_retry_seconds),
        ),
    )(logged)
