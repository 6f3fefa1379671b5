"""A database of its own: one root key is over all tenants; other tests have other keyrings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from adapters.postgres.engine import Database
from adapters.postgres.migrate import migrate
from entrypoints.container import Container
from tests.integration.conftest import empty_database, plugged_together


@pytest.fixture(scope="session")
async def database(database: Database) -> AsyncIterator[Database]:
    async with empty_database(database, "rotating") as own:
        await migrate(own)
        yield own


@pytest.fixture(scope="session")
async def container(
    database: Database, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Container]:
    async with plugged_together(database, tmp_path_factory.mktemp("rotating")) as container:
        yield container
