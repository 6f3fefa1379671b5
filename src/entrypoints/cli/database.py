"""Commands that need the database and nothing else of the service."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg

from adapters.postgres.accounts import PostgresAccounts
from adapters.postgres.embedded import (
    DataDirectoryInUse,
    embedded_database,
    running_database,
)
from adapters.postgres.engine import APPLICATION, CONNECT_SECONDS_MAX, Database
from adapters.postgres.migrate import check, migrate
from adapters.postgres.tenants import create_tenant
from application.accounts.set_role import SetRole
from domain.accounts.person import Person
from domain.identity import Role
from entrypoints.settings import Settings, SettingsError

DEFAULT_TENANT = "default"


@asynccontextmanager
async def database_of(settings: Settings) -> AsyncIterator[Database]:
    """The database that the settings name, else the embedded one, started and stopped."""
    if settings.database_url is not None:
        await _assert_answering(settings.database_url)
        yield Database.at(settings.database_url)
        return
    async with embedded_database(settings.data_dir.expanduser().resolve()) as url:
        yield Database.at(url)


@asynccontextmanager
async def database_in_use(settings: Settings) -> AsyncIterator[Database]:
    """The database whether or not another process serves from it at this moment.

    For what is safe beside a server. The embedded one is started only where nobody else did.
    """
    async with AsyncExitStack() as parts:
        try:
            database = await parts.enter_async_context(database_of(settings))
        except DataDirectoryInUse:
            running = running_database(settings.data_dir.expanduser().resolve())
            if running is None:
                raise
            database = Database.at(running)
        yield database


async def run_migrations(settings: Settings) -> None:
    async with database_of(settings) as database:
        await migrate(database)


async def check_migrations() -> None:
    """On a scratch database of its own: what the migrations make is what tables.py describes."""
    with tempfile.TemporaryDirectory(prefix="strongroom-check-") as scratch:
        async with embedded_database(Path(scratch) / "data") as url:
            database = Database.at(url)
            await migrate(database)
            await check(database)


async def create_named_tenant(settings: Settings, name: str, *, sign_up_open: bool) -> UUID:
    async with database_in_use(settings) as database:
        return await create_tenant(database, name=name, sign_up_open=sign_up_open)


async def set_role(settings: Settings, tenant: str, email: str, role: Role) -> Person:
    async with database_in_use(settings) as database:
        engine = database.engine(APPLICATION, pool_size=1)
        try:
            accounts = PostgresAccounts(engine=engine)
            return await SetRole(accounts=accounts)(tenant=tenant, email=email, role=role)
        finally:
            await engine.dispose()


async def _assert_answering(url: str) -> None:
    """Nothing of the URL is repeated: it may hold a password."""
    try:
        connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS_MAX)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        why = str(error) if isinstance(error, asyncpg.PostgresError) else ""
        if isinstance(error, OSError):
            why = error.strerror or "it cannot be reached"
        raise SettingsError(
            "database_url: the database that it names cannot be used: "
            f"{why or type(error).__name__}. Check STRONGROOM_DATABASE_URL, and that it runs."
        ) from None
    await connection.close()
