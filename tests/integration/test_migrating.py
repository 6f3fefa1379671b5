"""A start finds a schema that is current, one that is not yet, or one that it does not know."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator

import pytest
from alembic.util import CommandError

from adapters.postgres.engine import Database
from adapters.postgres.migrate import check, migrate
from tests.integration.conftest import empty_database, run_as_owner

_MIGRATES = """
import asyncio, sys
from adapters.postgres.engine import Database
from adapters.postgres.migrate import migrate
asyncio.run(migrate(Database.at(sys.argv[1])))
print("alembic" in sys.modules)
"""


@pytest.fixture
async def empty(database: Database) -> AsyncIterator[Database]:
    async with empty_database(database, "migrating") as own:
        yield own


async def test_a_schema_that_is_current_is_left_alone_without_loading_alembic(
    empty: Database,
) -> None:
    assert _loads_alembic(empty)
    assert not _loads_alembic(empty)
    await check(empty)


async def test_a_schema_of_a_later_release_is_refused(empty: Database) -> None:
    await migrate(empty)
    await run_as_owner(empty, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(CommandError, match="9999"):
        await migrate(empty)


def _loads_alembic(database: Database) -> bool:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [sys.executable, "-c", _MIGRATES, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip() == "True"
