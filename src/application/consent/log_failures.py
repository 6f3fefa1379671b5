"""What fails after it was released is told to the log: as that release's failure."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from application.consent.ports import Releases
from application.ports import NewId, Tampered
from domain.consent.failure import FailureReason
from domain.errors import NotFound, Refusal, Unavailable
from domain.identity import Caller, ReleaseId


@dataclass(frozen=True, slots=True, kw_only=True)
class LogFailures:
    """`ReleaseFailures`. One transaction of its own for each release, `seconds_max` for all.

    Whoever is cancelled while it is written goes at once, and it is written all the same.
    """

    releases: Releases
    new_id: NewId
    seconds_max: float = 2.0
    _writing: set[asyncio.Task[str | None]] = field(default_factory=set, repr=False)

    @asynccontextmanager
    async def logged(self, caller: Caller, releases: Collection[ReleaseId]) -> AsyncIterator[None]:
        # Exception only: cancellation and a closed generator say that somebody went away.
        try:
            yield
        except Exception as error:
            await self.log(caller, releases, error)
            raise

    async def log(
        self,
        caller: Caller,
        releases: Collection[ReleaseId],
        error: Exception,
        reason: FailureReason | None = None,
    ) -> None:
        """Without a `reason`, the one that follows from the error, if one does. Raises nothing."""
        reason = reason or reason_of(error)
        if reason is None or not releases:
            return
        writing = asyncio.create_task(self._write(caller, tuple(releases), reason))
        self._writing.add(writing)  # a task that nobody holds may vanish
        writing.add_done_callback(self._writing.discard)
        lost = await asyncio.shield(writing)
        if lost is not None:
            error.add_note(f"That it failed could not be logged: {lost}.")

    async def _write(
        self, caller: Caller, releases: Collection[ReleaseId], reason: FailureReason
    ) -> str | None:
        """What kept it from being written, if anything did. What failed first matters more."""
        try:
            async with asyncio.timeout(self.seconds_max):
                for each in releases:
                    await self.releases.record_failure(caller, self.new_id(), each, reason)
        except Exception as lost:  # noqa: BLE001 - told in a note of the error that matters
            return type(lost).__name__
        return None


def reason_of(error: Exception) -> FailureReason | None:
    """None for what is refused for how it was asked, not for what became of the release."""
    match error:
        case Tampered():
            return FailureReason.ALTERED
        case NotFound():
            return FailureReason.MISSING
        case Unavailable() | TimeoutError():
            return FailureReason.UNAVAILABLE
        case Refusal():
            return None
    return FailureReason.UNEXPECTED
