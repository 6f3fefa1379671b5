"""Leases: whoever shows something for long asks again, several times a second, whether it may.

A lease lasts a second from the moment that it was asked for, so whatever keeps it from being
renewed ends it: a grant that closed, a database that hangs, a process that was frozen.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import transaction
from adapters.postgres.signals import PostgresSignals
from adapters.postgres.statements import statement
from application.ports import LeaseLost
from domain.errors import NotFound, Unavailable
from domain.identity import Caller, ReleaseId, TenantId, VersionRef

LEASE_SECONDS = 1.0
LOOK_SECONDS = 0.3

log = structlog.get_logger(__name__)


@dataclass(slots=True, eq=False)
class _Lease:
    """Permission to show one version of one release until `until`, by the loop's clock."""

    release_id: ReleaseId
    version: VersionRef
    until: float = 0.0
    deadline: asyncio.Timeout | None = None

    @property
    def about(self) -> tuple[UUID, UUID, int]:
        return self.release_id, self.version.document_id, self.version.version

    def run_until(self, when: float) -> None:
        self.until = when
        if self.deadline is not None and not self.deadline.expired():
            self.deadline.reschedule(when)


@dataclass(slots=True, kw_only=True)
class PostgresLeases:
    """`Leases`. Belongs to one event loop; all that a tenant holds is asked about together."""

    engine: AsyncEngine
    signals: PostgresSignals
    look_seconds: float = LOOK_SECONDS
    _held: dict[TenantId, set[_Lease]] = field(default_factory=dict, init=False)
    _keepers: dict[TenantId, asyncio.Task[None]] = field(default_factory=dict, init=False)

    @property
    def tenants_held(self) -> int:
        """Of how many tenants something is held."""
        return len(self._held)

    @asynccontextmanager
    async def hold(
        self, *, caller: Caller, release_id: ReleaseId, version: VersionRef
    ) -> AsyncIterator[None]:
        lease = _Lease(release_id, version)
        with self._kept(caller.tenant_id, lease):
            await self._look(caller.tenant_id, [lease])
            if not lease.until:
                raise NotFound
            deadline = lease.deadline = asyncio.timeout_at(lease.until)
            try:
                async with deadline:
                    yield
            except TimeoutError as over:
                if not deadline.expired():
                    raise
                raise LeaseLost from over
            finally:
                lease.deadline = None

    @contextmanager
    def _kept(self, tenant_id: TenantId, lease: _Lease) -> Iterator[None]:
        """Have the lease renewed from now on."""
        self._held.setdefault(tenant_id, set()).add(lease)
        if tenant_id not in self._keepers:
            self._keepers[tenant_id] = asyncio.create_task(self._keep(tenant_id), name="leases")
        try:
            yield
        finally:
            self._held[tenant_id].discard(lease)

    async def _keep(self, tenant_id: TenantId) -> None:
        """Renew for as long as anything is held; a grant that closes is heard of at once."""
        held = self._held[tenant_id]
        try:
            with self.signals.listen(f"grants:{tenant_id}") as changed:
                await changed.wait(self.look_seconds)
                while held:
                    try:
                        await self._look(tenant_id, list(held))
                    except Unavailable:
                        log.warning("leases_not_renewed", leases=len(held))
                    await changed.wait(self.look_seconds)
        finally:
            # Should this have failed, nothing is renewed until a new lease gets a new keeper.
            del self._keepers[tenant_id]
            if not held:
                del self._held[tenant_id]

    async def _look(self, tenant_id: TenantId, leases: Collection[_Lease]) -> None:
        """Renew those whose grants are still open, and end the others. Raises Unavailable."""
        asked_at = asyncio.get_running_loop().time()
        about = [lease.about for lease in leases]
        values = {
            "tenant": tenant_id,
            "releases": [release for release, _, _ in about],
            "documents": [document for _, document, _ in about],
            "versions": [version for _, _, version in about],
        }
        try:
            async with (
                asyncio.timeout(LEASE_SECONDS),
                transaction(self.engine, tenant_id) as connection,
            ):
                rows = (await connection.execute(statement("held_leases"), values)).all()
        except (TimeoutError, DBAPIError) as failure:
            raise Unavailable("It could not be asked whether this may be shown.") from failure
        permitted = {(row.event_id, row.document_id, row.version) for row in rows}
        for lease in leases:
            lease.run_until(asked_at + LEASE_SECONDS if lease.about in permitted else 0.0)
