"""A real PostgreSQL for the whole session: the embedded one, or STRONGROOM_TEST_DATABASE_URL."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from adapters.embedding.hashing import HashingEmbedder
from adapters.identifiers import uuid7
from adapters.postgres.embedded import embedded_database
from adapters.postgres.engine import APPLICATION, SEQUENCER, Database
from adapters.postgres.migrate import migrate
from application.vault.add_document import DocumentDetails
from domain.identity import Caller, PersonId, TenantId
from domain.vault.document import Description, Document, IndexMode
from entrypoints.container import Container
from entrypoints.settings import Settings
from tests.integration.openbao import Bao, openbao


@pytest.fixture(scope="session")
def places() -> Iterator[Callable[[], Path]]:
    """Makes directories for data, removed in the end.

    Not pytest's own: as root the embedded database runs as another user, and every session of
    pytest shuts the directory above all of them to others, those of running sessions too.
    """
    with ExitStack() as made:
        yield lambda: Path(made.enter_context(TemporaryDirectory(prefix="strongroom-test-")))


@pytest.fixture(scope="session")
async def database(places: Callable[[], Path]) -> AsyncIterator[Database]:
    given = os.environ.get("STRONGROOM_TEST_DATABASE_URL")
    if given:
        await migrate(Database.at(given))
        yield Database.at(given)
        return
    async with embedded_database(places()) as url:
        await migrate(Database.at(url))
        yield Database.at(url)


@pytest.fixture(scope="session")
async def engine(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = database.engine(APPLICATION)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
async def sequencer_engine(database: Database) -> AsyncIterator[AsyncEngine]:
    engine = database.engine(SEQUENCER, pool_size=2)
    yield engine
    await engine.dispose()


@pytest.fixture
async def tenant_id(database: Database) -> TenantId:
    """A tenant of the test's own, with the built-in purposes."""
    return await new_tenant(database)


async def new_tenant(database: Database) -> TenantId:
    from adapters.postgres.tenants import create_tenant

    return await create_tenant(database, name=f"test-{uuid7()}", sign_up_open=True)


@pytest.fixture
def caller_in(database: Database) -> Callable[[TenantId], object]:
    """`await caller_in(tenant_id)`: a new person of that tenant, as a Caller."""
    return lambda tenant_id: new_caller(database, tenant_id)


async def new_caller(database: Database, tenant_id: TenantId) -> Caller:
    person = PersonId(uuid7())
    connection = await database.connect(APPLICATION)
    try:
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.tenant', $1, true)", str(tenant_id))
            await connection.execute(
                "INSERT INTO people (tenant_id, id, email, display_name, password_hash, role)"
                " VALUES ($1, $2, $3, 'Test Person', '-', 'member')",
                UUID(str(tenant_id)),
                person,
                f"{person}@example.org",
            )
    finally:
        await connection.close()
    return Caller(tenant_id=tenant_id, person_id=person)


@pytest.fixture(scope="session")
async def container(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Container]:
    async with plugged_together(database, tmp_path_factory.mktemp("strongroom")) as container:
        yield container


async def unplugged(container: Container) -> None:
    """Whatever pools it has made are empty afterwards."""
    for engine in (
        container.engine,
        container.run_engine,
        container.sequencer_engine,
        container.keykeeper_engine,
    ):
        await engine().dispose()


@asynccontextmanager
async def plugged_together(database: Database, directory: Path) -> AsyncIterator[Container]:
    """Everything as in production, but for the embedder, which is a fast one."""
    container = Container(settings=Settings(data_dir=directory), database=database)
    container.embedder.override(HashingEmbedder())
    yield container
    await container.extraction().close()
    await container.schema_processes().close()
    await unplugged(container)


@asynccontextmanager
async def empty_database(database: Database, prefix: str) -> AsyncIterator[Database]:
    """A database of the test's own, on the server of all, without a schema."""
    name = f"{prefix}_{uuid7().hex}"
    await run_as_owner(database, f"CREATE DATABASE {name}")
    yield Database(url=database.url.set(database=name))
    await run_as_owner(database, f"DROP DATABASE {name} WITH (FORCE)")


async def run_as_owner(database: Database, statement: str) -> None:
    """Run a statement outside of a transaction, as the login that owns the server."""
    engine = create_async_engine(database.url, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    finally:
        await engine.dispose()


async def in_pieces(content: bytes, size: int = 64 * 1024) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def add_text(
    container: Container,
    caller: Caller,
    content: str,
    title: str,
    index_mode: IndexMode = IndexMode.CLEAR,
) -> Document:
    """A document of the caller's, handed in and not yet indexed."""

    async def details() -> DocumentDetails:
        return DocumentDetails(description=Description(title=title), index_mode=index_mode)

    return await container.add_document()(
        caller=caller, content=in_pieces(content.encode()), details=details
    )


async def index(container: Container, caller: Caller, document: Document) -> None:
    """What the worker would do with the job."""
    await container.index_version()(caller=caller, version=document.current.ref)


@pytest.fixture(scope="session")
async def bao(service: Callable[[str], str]) -> AsyncIterator[Bao]:
    async with openbao(service("bao")) as running:
        yield running
