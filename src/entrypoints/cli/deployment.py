"""The running parts of a deployment, started in order and stopped in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy import text

from adapters.encryption.keyring import LocalKeyring
from adapters.postgres.guard import assert_isolating
from adapters.postgres.migrate import migrate
from adapters.postgres.tenants import create_tenant
from entrypoints.cli.database import DEFAULT_TENANT, database_of
from entrypoints.cli.steps import say, step
from entrypoints.container import Container
from entrypoints.settings import Settings


@asynccontextmanager
async def deployment(settings: Settings) -> AsyncIterator[Container]:
    """Database, schema, guard, keyring, wake-ups, embedder, extractor: ready to be used."""
    async with AsyncExitStack() as parts:
        async with step("starting PostgreSQL"):
            database = await parts.enter_async_context(database_of(settings))
        async with step("preparing the database"):
            await migrate(database)
            await create_tenant(database, name=DEFAULT_TENANT, sign_up_open=settings.sign_up_open)
        container = Container(settings=settings, database=database)
        parts.push_async_callback(_dispose, container)
        parts.push_async_callback(container.schema_processes().close)
        await assert_isolating(container.engine())
        container.keyring.override(await _keyring(container, settings))
        await parts.enter_async_context(container.postgres_signals().listening())
        yield container


@asynccontextmanager
async def indexing(container: Container) -> AsyncIterator[None]:
    """The embedder and the extraction process: what a worker needs, and a search."""
    embedder, extraction = container.minilm(), container.extraction()
    try:
        # Beside each other: one is a thread of ours, the other a process of its own.
        await asyncio.gather(
            _stepped("preparing the embedding model", embedder.warm()),
            _stepped("starting the extraction process", extraction.start()),
        )
        yield
    finally:
        await extraction.close()
        await embedder.close()


async def _stepped(doing: str, work: Awaitable[None]) -> None:
    async with step(doing):
        await work


async def _keyring(container: Container, settings: Settings) -> LocalKeyring:
    """A keyring is made only where nothing is wrapped yet: a new one would open nothing."""
    async with container.engine().connect() as connection:
        holds_keys = (await connection.execute(text("SELECT holds_keys()"))).scalar_one()
    path = settings.data_dir.expanduser().resolve() / "keyring.json"
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not holds_keys and not path.exists():
        say(f"making a new keyring in {path}; without it nothing can be read, so back it up")
    return LocalKeyring.open(path, settings.keyring_passphrase, create=not holds_keys)


async def _dispose(container: Container) -> None:
    for engine in (
        container.engine,
        container.run_engine,
        container.sequencer_engine,
        container.keykeeper_engine,
    ):
        await engine().dispose()
