"""One writer per process commits the waiting events of all its runs together (group commit).

Per tenant there is one commit at a time: it takes whatever is waiting, and the next begins as
soon as the last one returns, without a timer. So an event waits for one commit, or for the rest
of one and another, and many runs share each.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.run_log import PostgresRunLog, Taken
from adapters.postgres.run_watch import RunWatch
from adapters.postgres.signals import PostgresSignals
from adapters.postgres.statements import statement
from application.chat.live_runs import LiveRuns
from application.chat.ports import AskedQuestion
from application.chat.sealed_chat import SealedChat
from application.ports import Cipher
from domain.chat.run import RunState
from domain.errors import Unavailable
from domain.identity import RunId, TenantId

LEASE_SECONDS = 30.0
RUNS_PER_COMMIT = 256
COMMITS_AT_ONCE = 4
RETRY_SECONDS = 0.25
HELD_SECONDS = 0.005

log = structlog.get_logger(__name__)

_Batch = Sequence[tuple[PostgresRunLog, Taken]]


@dataclass(slots=True, kw_only=True)
class PostgresRunWriter:
    """`RunLogs`. Belongs to one event loop; one per process, or commits are not shared."""

    engine: AsyncEngine
    signals: PostgresSignals
    live: LiveRuns
    cipher: Cipher
    lease_seconds: float = LEASE_SECONDS
    _waiting: dict[TenantId, dict[RunId, PostgresRunLog]] = field(
        default_factory=lambda: defaultdict(dict), init=False
    )
    _lanes: dict[TenantId, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _turns: asyncio.Semaphore = field(
        default_factory=lambda: asyncio.Semaphore(COMMITS_AT_ONCE), init=False
    )
    _watch: RunWatch = field(init=False)

    def __post_init__(self) -> None:
        self._watch = RunWatch(
            engine=self.engine,
            signals=self.signals,
            wake=self._wake,
            lease_seconds=self.lease_seconds,
        )

    @asynccontextmanager
    async def open(self, asked: AskedQuestion) -> AsyncIterator[PostgresRunLog]:
        caller, run = asked.caller, asked.run
        chat = SealedChat(
            cipher=self.cipher,
            key=asked.key,
            tenant_id=caller.tenant_id,
            conversation_id=run.conversation_id,
        )
        with self.live.live(run.id, acr=caller.acr, told=asked.events_told) as live:
            opened = PostgresRunLog(
                caller=caller,
                run=run,
                chat=chat,
                live=live,
                engine=self.engine,
                wake=self._wake,
                events_told=asked.events_told,
            )
            with self._watch.watching(opened):
                try:
                    yield opened
                finally:
                    self._waiting[caller.tenant_id].pop(run.id, None)

    def _wake(self, opened: PostgresRunLog) -> None:
        tenant_id = opened.caller.tenant_id
        self._waiting[tenant_id][opened.run.id] = opened
        if tenant_id not in self._lanes:
            self._lanes[tenant_id] = asyncio.create_task(self._commit_all(tenant_id))

    async def _commit_all(self, tenant_id: TenantId) -> None:
        waiting = self._waiting[tenant_id]
        try:
            while waiting:
                first = [waiting.pop(run_id) for run_id in list(waiting)[:RUNS_PER_COMMIT]]
                batch = [(each, each.take()) for each in first]
                try:
                    async with self._turns:
                        pause = await self._commit(tenant_id, batch)
                except BaseException:
                    for opened, _ in batch:
                        opened.stop(RunState.FAILED)
                    raise
                if pause:
                    await asyncio.sleep(pause)
        finally:
            del self._lanes[tenant_id]
            if waiting:  # this lane broke; whatever still waits gets another
                self._wake(next(iter(waiting.values())))
            else:
                self._waiting.pop(tenant_id, None)

    async def _commit(self, tenant_id: TenantId, batch: _Batch) -> float:
        """Commit together, else apart; how many seconds to wait before the next commit."""
        try:
            rows = await self._write(tenant_id, batch)
        except Unavailable:
            log.warning("run_events_not_committed", runs=len(batch))
            for opened, _ in batch:
                self._wait_again(opened)
            return RETRY_SECONDS
        except SQLAlchemyError as error:
            if len(batch) > 1:  # one of them spoils it for all: find out which
                return max([await self._commit(tenant_id, [each]) for each in batch])
            log.error("run_event_not_storable", error=type(error).__name__)
            batch[0][0].stop(RunState.FAILED)
            return 0.0
        held = [self._tell(opened, taken, rows[opened.run.id]) for opened, taken in batch]
        return HELD_SECONDS if all(held) else 0.0

    def _tell(self, opened: PostgresRunLog, taken: Taken, row: Any) -> bool:
        """Tell a log what became of its events; whether its run was held by somebody else."""
        if row.written or (taken.end_state is not None and row.state == taken.end_state):
            opened.committed(taken)
        elif not row.known:
            opened.stop(RunState.FAILED)
        elif not row.looked:
            self._wait_again(opened)
            return True
        elif row.state == RunState.RUNNING:
            opened.stop(RunState.CANCELLED, row.stored_number)
        else:
            opened.stop(RunState(row.state))
        return False

    def _wait_again(self, opened: PostgresRunLog) -> None:
        if not opened.is_closed:
            self._waiting[opened.caller.tenant_id][opened.run.id] = opened

    async def _write(self, tenant_id: TenantId, batch: _Batch) -> dict[RunId, Any]:
        cited = [(opened, each) for opened, taken in batch for each in taken.cited]
        events = [(opened.run.id, event) for opened, taken in batch for event in taken.sealed]
        values = {
            "tenant": tenant_id,
            "runs": [opened.run.id for opened, _ in batch],
            "end_states": [taken.end_state for _, taken in batch],
            "answers": [taken.sealed_answer for _, taken in batch],
            "manifests": [taken.sealed_manifest for _, taken in batch],
            "counts": [taken.last_number for _, taken in batch],
            "cited_runs": [opened.run.id for opened, _ in cited],
            "cited_by": [opened.run.owner_id for opened, _ in cited],
            "cited_documents": [document for _, document in cited],
            "event_runs": [run_id for run_id, _ in events],
            "numbers": [event.number for _, event in events],
            "types": [event.type for _, event in events],
            "sealed": [event.sealed for _, event in events],
            "lease_seconds": self.lease_seconds,
        }
        async with transaction(self.engine, tenant_id) as connection:
            rows = (await connection.execute(statement("append_run_events"), values)).all()
        return {RunId(row.run_id): row for row in rows}
