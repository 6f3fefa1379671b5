"""The sequencer: brings what was committed into the logs, tenant by tenant, soon and for ever.

Any number may run beside each other; the lock of a log decides who writes it next.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from application.audit.integrate_entries import IntegrateEntries, LogDamaged
from application.audit.ports import Log
from application.ports import Signals
from domain.errors import Unavailable
from domain.identity import TenantId

TOPIC = "audit"
POLL_SECONDS = 0.15
# Under load one checkpoint covers many entries; without a pause it would cover one or two.
PACE_SECONDS = 0.03
AFTER_FAILURE_SECONDS = 1.0
STUCK_SECONDS = 10.0

log = structlog.get_logger(__name__)


@dataclass(slots=True, kw_only=True)
class Sequencer:
    """Integrates until it is cancelled. A lost database is waited for; nothing is lost with it."""

    entries: Log
    integrate: IntegrateEntries
    signals: Signals
    connected: bool = field(default=False, init=False)
    last_integrated_at: datetime | None = field(default=None, init=False)
    pending_seen: int = field(default=0, init=False)
    """Tenants whose events were waiting at the last look."""
    entries_integrated: int = field(default=0, init=False)
    lag_seconds: float = field(default=0.0, init=False)
    """How long the oldest entry of the last pass had waited; 0 when nothing waits."""
    stuck: dict[TenantId, float] = field(default_factory=dict, init=False)
    """Tenants whose log cannot go on, and when (monotonic) each is tried again."""

    @asynccontextmanager
    async def sequencing(self) -> AsyncIterator[None]:
        """Integrate beside whatever else this process does, and once more on the way out."""
        task = asyncio.create_task(self.run(), name="sequencer")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            with suppress(Unavailable):
                await self.look()

    async def run(self) -> None:
        with self.signals.listen(TOPIC) as signal:
            while True:
                try:
                    found = await self.look()
                except Exception as error:  # noqa: BLE001 - the log must go on, whatever it was
                    self.connected = False
                    log.warning("sequencer_failed", error=type(error).__name__)
                    await asyncio.sleep(AFTER_FAILURE_SECONDS)
                    continue
                if found:
                    await asyncio.sleep(PACE_SECONDS)
                else:
                    await signal.wait(POLL_SECONDS)

    async def look(self) -> int:
        """One pass over every tenant whose events wait; how many entries were integrated.

        Raises Unavailable while the database or the key service is away.
        """
        waiting = await self.entries.tenants_with_pending()
        self.connected = True
        self.pending_seen = len(waiting)
        self.lag_seconds = 0.0
        found = 0
        for tenant_id in waiting:
            if self.stuck.get(tenant_id, 0.0) <= time.monotonic():
                found += await self._integrate(tenant_id)
        return found

    async def _integrate(self, tenant_id: TenantId) -> int:
        """One tenant's trouble is not the others': only an outage is everybody's."""
        try:
            integrated = await self.integrate(tenant_id=tenant_id)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - LogDamaged, or a mistake of ours
            reason = str(error) if isinstance(error, LogDamaged) else type(error).__name__
            log.error("log_stuck", tenant_id=str(tenant_id), reason=reason)
            self.stuck[tenant_id] = time.monotonic() + STUCK_SECONDS
            return 0
        self.stuck.pop(tenant_id, None)
        if integrated.entries:
            self.entries_integrated += integrated.entries
            self.last_integrated_at = datetime.now(UTC)
            self.lag_seconds = max(self.lag_seconds, integrated.waited_seconds)
        return integrated.entries
