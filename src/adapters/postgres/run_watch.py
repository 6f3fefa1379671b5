"""Looks at the open runs of this process, all of a tenant together: may each of them go on?

What was found holds for a second (LiveRun), so whatever keeps a run from being looked at ends what
is shown of it from memory: a database that hangs, a process that was frozen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.run_log import PostgresRunLog
from adapters.postgres.signals import PostgresSignals
from adapters.postgres.statements import statement
from domain.errors import Unavailable
from domain.identity import TenantId

LOOK_SECONDS = 0.5
LOOK_SECONDS_MAX = 1.0
RUNS_PER_LOOK = 1_000

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class RunWatch:
    """Belongs to one event loop. `wake` has a run judged, and ended if it must be."""

    engine: AsyncEngine
    signals: PostgresSignals
    wake: Callable[[PostgresRunLog], None]
    lease_seconds: float
    _open: dict[TenantId, set[PostgresRunLog]] = field(default_factory=dict, init=False)
    _keepers: dict[TenantId, asyncio.Task[None]] = field(default_factory=dict, init=False)

    @contextmanager
    def watching(self, opened: PostgresRunLog) -> Iterator[None]:
        """Have a run looked at several times a second, and when it was changed from outside."""
        tenant_id = opened.caller.tenant_id
        self._open.setdefault(tenant_id, set()).add(opened)
        if tenant_id not in self._keepers:
            self._keepers[tenant_id] = asyncio.create_task(self._keep(tenant_id), name="runs")
        with self.signals.calling(f"run:{opened.run.id}", lambda: self.wake(opened)):
            try:
                yield
            finally:
                self._open[tenant_id].discard(opened)

    async def _keep(self, tenant_id: TenantId) -> None:
        runs = self._open[tenant_id]
        try:
            while runs:
                await asyncio.sleep(LOOK_SECONDS)
                going_on = [each for each in runs if not each.is_closed]
                for first in range(0, len(going_on), RUNS_PER_LOOK):
                    await self._look(tenant_id, going_on[first : first + RUNS_PER_LOOK])
        finally:
            # Should this have failed, nothing is looked at until a new run gets a new keeper.
            del self._keepers[tenant_id]
            if not runs:
                del self._open[tenant_id]

    async def _look(self, tenant_id: TenantId, runs: Sequence[PostgresRunLog]) -> None:
        asked_at = asyncio.get_running_loop().time()
        values = {
            "tenant": tenant_id,
            "runs": [opened.run.id for opened in runs],
            "lease_seconds": self.lease_seconds,
        }
        try:
            async with (
                asyncio.timeout(LOOK_SECONDS_MAX),
                transaction(self.engine, tenant_id) as connection,
            ):
                rows = await connection.execute(statement("look_at_runs"), values)
                permitted = set(rows.scalars())
        except (Unavailable, TimeoutError, SQLAlchemyError) as failure:
            log.warning("runs_not_looked_at", runs=len(runs), error=type(failure).__name__)
            return
        for opened in runs:
            if opened.run.id in permitted:
                opened.permitted(asked_at)
            elif not opened.is_closed:
                self.wake(opened)
