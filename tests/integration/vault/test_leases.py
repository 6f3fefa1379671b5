"""A download that rests on a grant goes on for as long as the grant does, and a second at most."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import APPLICATION, Database
from adapters.postgres.leases import LEASE_SECONDS, LOOK_SECONDS, PostgresLeases
from adapters.postgres.signals import PostgresSignals
from application.ports import LeaseLost, Release
from domain.consent.grant import Grant
from domain.consent.terms import Terms
from domain.errors import NotFound
from domain.identity import Action, Caller, Purpose, ResourceKind, ResourceRef, TenantId
from domain.vault.document import Document
from entrypoints.container import Container
from tests.integration.conftest import add_text

CallerIn = Callable[[TenantId], Awaitable[Caller]]
CARE = Purpose("care")


@dataclass
class Shared:
    """Asha's document, shared with Ben, and what holds him to it."""

    container: Container
    leases: PostgresLeases
    asha: Caller
    ben: Caller
    document: Document

    async def grant(self, *, seconds: float = 600) -> Grant:
        terms = Terms(
            resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=self.document.id),
            actions=frozenset({Action.READ}),
            purpose=CARE,
            expires_at=datetime.now(UTC) + timedelta(seconds=seconds),
        )
        give = self.container.give_grant()
        return await give(caller=self.asha, grantee=self.ben.person_id, terms=terms)

    async def release(self) -> Release:
        return await self.container.gate()(
            caller=self.ben,
            action=Action.READ,
            purpose=CARE,
            versions=[self.document.current.ref],
        )

    async def withdraw(self, grant: Grant) -> float:
        """When it was acknowledged."""
        await self.container.withdraw_consent()(caller=self.asha, consent_id=grant.consent_id)
        return asyncio.get_running_loop().time()

    async def show(self, release: Release) -> float:
        """Show something until it is taken away; when that was."""
        with pytest.raises(LeaseLost):
            async with self.leases.hold(
                caller=self.ben, release_id=release.id, version=self.document.current.ref
            ):
                await asyncio.sleep(10)
        return asyncio.get_running_loop().time()


@pytest.fixture
async def leases_engine(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = database.engine(APPLICATION, pool_size=2)
    yield engine
    await engine.dispose()


@pytest.fixture
async def shared(
    container: Container,
    database: Database,
    leases_engine: AsyncEngine,
    tenant_id: TenantId,
    caller_in: CallerIn,
) -> AsyncIterator[Shared]:
    asha, ben = await caller_in(tenant_id), await caller_in(tenant_id)
    document = await add_text(container, asha, "The rent is 1,250 euros a month.", "Lease")
    leases = PostgresLeases(engine=leases_engine, signals=PostgresSignals(database))
    yield Shared(container, leases, asha, ben, document)
    while leases.tenants_held:  # noqa: ASYNC110
        await asyncio.sleep(0.02)


@asynccontextmanager
async def showing(shared: Shared, release: Release) -> AsyncIterator[asyncio.Task[float]]:
    """Ben is being shown something, and has been for longer than a lease lasts."""
    shown = asyncio.create_task(shared.show(release))
    await asyncio.sleep(LEASE_SECONDS + LOOK_SECONDS)
    assert not shown.done()
    yield shown
    shown.cancel()
    await asyncio.gather(shown, return_exceptions=True)


async def test_what_is_being_shown_ends_as_soon_as_the_grant_does(shared: Shared) -> None:
    grant = await shared.grant()
    shared.leases.look_seconds = 0.65 * LEASE_SECONDS  # the first look opens a connection
    async with (
        shared.leases.signals.listening(),
        showing(shared, await shared.release()) as shown,
    ):
        await asyncio.sleep(0.2)  # it was looked at just now
        acknowledged_at = await shared.withdraw(grant)
        assert await shown - acknowledged_at < 0.3 * LEASE_SECONDS


async def test_it_ends_within_a_second_also_when_nobody_hears_of_it(shared: Shared) -> None:
    grant = await shared.grant()
    async with showing(shared, await shared.release()) as shown:
        assert not shared.leases.signals.connected
        acknowledged_at = await shared.withdraw(grant)
        assert await shown - acknowledged_at < LEASE_SECONDS


async def test_it_ends_with_the_time_of_the_grant(shared: Shared) -> None:
    grant = await shared.grant(seconds=2.5)
    async with showing(shared, await shared.release()) as shown:
        await shown
        late = datetime.now(UTC) - grant.expires_at
        assert timedelta(0) < late < timedelta(seconds=LEASE_SECONDS)


async def test_it_ends_with_the_document(shared: Shared) -> None:
    await shared.grant()
    async with showing(shared, await shared.release()) as shown:
        erase = shared.container.erase_document()
        await erase(caller=shared.asha, document_id=shared.document.id)
        erased_at = asyncio.get_running_loop().time()
        assert await shown - erased_at < LEASE_SECONDS


async def test_it_ends_when_the_database_cannot_be_asked(
    shared: Shared, database: Database
) -> None:
    await shared.grant()
    connection = await database.connect("postgres")
    try:
        async with showing(shared, await shared.release()) as shown, connection.transaction():
            await connection.execute("LOCK TABLE grants IN ACCESS EXCLUSIVE MODE")
            locked_at = asyncio.get_running_loop().time()
            assert await shown - locked_at < LEASE_SECONDS + 0.1
    finally:
        await connection.close()


async def test_it_ends_when_it_may_not_be_asked(shared: Shared, database: Database) -> None:
    await shared.grant()
    connection = await database.connect("postgres")
    try:
        async with showing(shared, await shared.release()) as shown:
            await connection.execute("REVOKE SELECT ON grants FROM strongroom_app")
            try:
                refused_at = asyncio.get_running_loop().time()
                assert await shown - refused_at < LEASE_SECONDS + 0.1
            finally:
                await connection.execute("GRANT SELECT ON grants TO strongroom_app")
    finally:
        await connection.close()
    async with showing(shared, await shared.release()):
        pass


async def test_it_goes_on_through_the_loss_of_one_connection(
    shared: Shared, database: Database
) -> None:
    grant = await shared.grant()
    connection = await database.connect("postgres")
    try:
        async with (
            shared.leases.signals.listening(),
            showing(shared, await shared.release()) as shown,
        ):
            ended = await connection.fetch(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'strongroom' AND query LIKE 'LISTEN%'"
            )
            assert len(ended) >= 1
            acknowledged_at = await shared.withdraw(grant)
            assert await shown - acknowledged_at < LEASE_SECONDS
    finally:
        await connection.close()


async def test_nothing_begins_to_be_shown_once_the_grant_has_ended(shared: Shared) -> None:
    """Also where the release was written before."""
    grant = await shared.grant()
    release = await shared.release()
    await shared.withdraw(grant)
    held = shared.leases.hold(
        caller=shared.ben, release_id=release.id, version=shared.document.current.ref
    )
    with pytest.raises(NotFound):
        await held.__aenter__()


async def test_a_release_of_others_holds_nobody_else(shared: Shared, caller_in: CallerIn) -> None:
    await shared.grant()
    release = await shared.container.gate()(
        caller=shared.asha,
        action=Action.READ,
        purpose=CARE,
        versions=[shared.document.current.ref],
    )
    held = shared.leases.hold(
        caller=shared.ben, release_id=release.id, version=shared.document.current.ref
    )
    with pytest.raises(NotFound):
        await held.__aenter__()


async def test_nobody_is_asked_about_what_nobody_shows(shared: Shared) -> None:
    await shared.grant()
    release = await shared.release()
    async with shared.leases.hold(
        caller=shared.ben, release_id=release.id, version=shared.document.current.ref
    ):
        assert shared.leases.tenants_held == 1
    await asyncio.sleep(LOOK_SECONDS + 0.1)
    assert shared.leases.tenants_held == 0
