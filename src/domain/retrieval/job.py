"""The job: a piece of work in the background, as whoever runs a tenant may see it.

It names a version, and tells nothing of what is in it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.errors import Conflict, NotAllowed, NotFound, Refusal
from domain.identity import JobId, VersionRef

UNEXPECTED = "internal_error"

_TOLD = re.compile(r"([A-Za-z_]\w{0,99}) ([a-z_]{1,64})", re.ASCII)


class JobsAreForAdministrators(NotAllowed):
    """Only administrators see the jobs of their tenant, and retry them."""

    code = "jobs_are_for_administrators"


class JobNotFound(NotFound):
    """There is no such job, or it is done."""

    code = "job_not_found"


class JobNotDead(Conflict):
    """This job is not dead: it waits for its turn, or is being worked on."""

    code = "job_not_dead"


class JobState(StrEnum):
    """Where a job is. One that is done is gone; a dead one failed at every attempt, and is kept."""

    QUEUED = "queued"
    RUNNING = "running"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobError:
    """What went wrong: the class of the error and its code, and never its message, which could
    quote what was being read."""

    kind: str
    code: str

    @classmethod
    def of(cls, error: Exception) -> JobError:
        return cls(
            kind=type(error).__name__, code=error.code if isinstance(error, Refusal) else UNEXPECTED
        )

    @classmethod
    def read(cls, told: str | None) -> JobError | None:
        """What `str` made of one. None for all else, whatever it says."""
        found = _TOLD.fullmatch(told or "")
        return None if found is None else cls(kind=found[1], code=found[2])

    def __str__(self) -> str:
        return f"{self.kind} {self.code}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job of one tenant. `attempts` were begun; `due_at` is before when none begins; `version`
    is what it is about; `error` what went wrong last."""

    id: JobId
    kind: str
    state: JobState
    attempts: int
    created_at: datetime
    changed_at: datetime
    due_at: datetime
    age_seconds: int
    version: VersionRef | None
    error: JobError | None
