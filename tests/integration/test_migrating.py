"""A start finds a schema that is current, one that is not yet, or one that it does not know."""

from __future__ import annotations

import asyncio
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


async def test_a_graph_that_somebody_died_building_is_built_anew_while_others_write(
    empty: Database,
) -> None:
    """As a build that was killed leaves it: there, and not valid."""
    await migrate(empty)
    valid = (
        "SELECT indisvalid FROM pg_index WHERE indexrelid = 'passage_vectors_near_idx'::regclass"
    )
    connection = await empty.connect("postgres")
    try:
        assert await connection.fetchval(valid) is True
        await connection.execute(
            valid.replace("SELECT indisvalid FROM", "UPDATE").replace(
                " WHERE", " SET indisvalid = false WHERE"
            )
        )
        before = await connection.fetchval("SELECT 'passage_vectors_near_idx'::regclass::oid")
        await asyncio.gather(migrate(empty), migrate(empty))
        assert await connection.fetchval(valid) is True
        assert (
            await connection.fetchval("SELECT 'passage_vectors_near_idx'::regclass::oid") != before
        )
        await migrate(empty)
        await check(empty)
    finally:
        await connection.close()


def _loads_alembic(database: Database) -> bool:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [sys.executable, "-c", _MIGRATES, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip() == "True"
