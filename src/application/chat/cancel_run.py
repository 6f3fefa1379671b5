"""Cancel: the run stops where it is, and what it has written stays."""

from __future__ import annotations

from dataclasses import dataclass

from application.chat.end_queued_run import EndQueuedRun
from application.chat.ports import Chats
from domain.chat.event import Cancelled
from domain.chat.run import Run, RunNotFound, RunState
from domain.identity import Caller, RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRun:
    """Asks whoever executes the run to stop; one that waits for its turn is ended here. A run
    that has ended stays as it is: no refusal."""

    chats: Chats
    end_queued_run: EndQueuedRun

    async def __call__(self, *, caller: Caller, run_id: RunId) -> Run:
        async with self.chats.begin(caller) as tx:
            run = await tx.request_cancel(run_id)
        if run is not None and run.state is RunState.QUEUED:
            await self.end_queued_run(caller=caller, run=run, terminal=Cancelled())
            run = await self.chats.run(caller, run_id)
        if run is None:
            raise RunNotFound
        return run
