"""The running parts of a deployment, started in order and stopped in reverse."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from sqlalchemy import text

from adapters.postgres.guard import assert_isolating
from adapters.postgres.migrate import migrate
from adapters.postgres.tenants import create_tenant
from domain.errors import Unavailable
from entrypoints.cli.database import DEFAULT_TENANT, database_in_use, database_of
from entrypoints.cli.steps import say, step
from entrypoints.container import Container
from entrypoints.key_services import Opened, opened_key_service
from entrypoints.settings import Settings


@asynccontextmanager
async def deployment(settings: Settings) -> AsyncIterator[Container]:
    """Database, schema, guard, key service, wake-ups, embedder, extractor: ready to be used."""
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
        async with step("opening the key service"):
            opened = await _key_service(container, settings)
            container.key_service.override(await parts.enter_async_context(opened))
        await parts.enter_async_context(container.postgres_signals().listening())
        yield container


@asynccontextmanager
async def beside_a_server(settings: Settings) -> AsyncIterator[Container]:
    """The parts without anything that runs: for a command, beside a server or without one."""
    async with (
        database_in_use(settings) as database,
        opened_key_service(settings, create=False) as key_service,
    ):
        container = Container(settings=settings, database=database)
        container.key_service.override(key_service)
        try:
            yield container
        finally:
            await _dispose(container)


@asynccontextmanager
async def indexing(container: Container) -> AsyncIterator[None]:
    """The embedders and the extraction process: what a worker needs, and a search."""
    embedder, others = container.guarded_embedder(), container.other_embedders()
    extraction, models = container.extraction(), container.postgres_models()
    try:
        await models.announce(embedder.model, [each.model for each in others])
        in_use = await models.in_use()
        # Beside each other: one is a thread of ours, the other a process of its own.
        await asyncio.gather(
            *(
                _stepped("preparing the embedding model", each.warm())
                for each in (embedder, *others)
                if each is embedder or each.model in in_use
            ),
            _stepped("starting the extraction process", extraction.start()),
        )
        yield
    finally:
        await extraction.close()
        for each in (embedder, *others):
            await each.close()
        with suppress(Unavailable):
            await models.withdraw()


async def _stepped(doing: str, work: Awaitable[None]) -> None:
    async with step(doing):
        await work


async def _key_service(container: Container, settings: Settings) -> Opened:
    """Keys are made only where nothing is wrapped yet: new ones would open nothing."""
    async with container.engine().connect() as connection:
        holds_keys = (await connection.execute(text("SELECT holds_keys()"))).scalar_one()
    path = settings.data_dir.expanduser().resolve() / "keyring.json"
    if settings.key_service == "keyring" and not holds_keys and not path.exists():
        say(f"making a new keyring in {path}; without it nothing can be read, so back it up")
    return opened_key_service(settings, create=not holds_keys)


async def _dispose(container: Container) -> None:
    for engine in (
        container.engine,
        container.run_engine,
        container.sequencer_engine,
        container.keykeeper_engine,
    ):
        await engine().dispose()
