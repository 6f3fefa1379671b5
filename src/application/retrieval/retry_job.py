"""Put a dead job back into the queue, once what made it fail has been seen to."""

from __future__ import annotations

from dataclasses import dataclass

from application.ports import Idempotency
from application.retrieval.ports import QueuedJobs
from domain.identity import Caller, JobId, Role
from domain.retrieval.job import JobsAreForAdministrators


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryJob:
    """It has all its attempts again. That an administrator did it is in the log, or it is not
    done."""

    jobs: QueuedJobs

    async def __call__(
        self, *, caller: Caller, job_id: JobId, idempotency: Idempotency | None
    ) -> None:
        """Repeated with the same key, it takes effect once, also after the job is done.

        Raises JobsAreForAdministrators for everybody else, JobNotFound, JobNotDead, and
        Unavailable where it cannot be logged.
        """
        if caller.role is not Role.ADMIN:
            raise JobsAreForAdministrators
        await self.jobs.put_back(caller, job_id, idempotency)
