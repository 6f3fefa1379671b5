"""Look at the jobs of a tenant: what waits, what is worked on, what failed for good."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from application.retrieval.ports import QueuedJobs
from domain.identity import Caller, JobId, Role
from domain.retrieval.job import Job, JobsAreForAdministrators, JobState


@dataclass(frozen=True, slots=True, kw_only=True)
class ListJobs:
    """An administrator runs the tenant, and learns nothing of what is in its documents."""

    jobs: QueuedJobs

    async def __call__(
        self, *, caller: Caller, state: JobState | None, after: JobId | None, limit: int
    ) -> Sequence[Job]:
        """The newest first. Raises JobsAreForAdministrators for everybody else."""
        if caller.role is not Role.ADMIN:
            raise JobsAreForAdministrators
        return await self.jobs.of_tenant(caller, state=state, after=after, limit=limit)
