from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dependency_injector import providers
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import Database
from domain.identity import TenantId
from entrypoints.container import Container
from entrypoints.settings import Settings
from tests.integration.conftest import unplugged
from tests.integration.retrieval.library import EMBEDDER, Library


@pytest.fixture(scope="session")
async def retrieval_container(
    database: Database, engine: AsyncEngine, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Container]:
    directory: Path = tmp_path_factory.mktemp("retrieval")
    container = Container(settings=Settings(data_dir=directory), database=database)
    container.engine.override(providers.Object(engine))
    container.embedder.override(providers.Object(EMBEDDER))
    yield container
    await container.extraction().close()
    await unplugged(container)


@pytest.fixture
def library(retrieval_container: Container, engine: AsyncEngine, tenant_id: TenantId) -> Library:
    return Library(container=retrieval_container, engine=engine, tenant_id=tenant_id)
