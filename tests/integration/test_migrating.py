"""A start finds a schema that is current, one that is not yet, or one that it does not know."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest
from alembic.util import CommandError

from adapters.postgres.engine import OWNER, Database
from adapters.postgres.migrate import check, migrate, migrations_directory
from adapters.postgres.tenants import create_tenant
from tests.integration.conftest import empty_database, run_as_owner

_MIGRATES = """
import asyncio, sys
from adapters.postgres.engine import Database
from adapters.postgres.migrate import migrate
asyncio.run(migrate(Database.at(sys.argv[1])))
print("alembic" in sys.modules)
"""

_IS_VALID = (
    "SELECT indisvalid FROM pg_index WHERE indexrelid = 'passage_vectors_near_idx'::regclass"
)
_GRANT_OF_ANOTHER_AGE = """
    INSERT INTO grants (tenant_id, id, consent_id, owner_id, grantor_id, grantee_id,
                        resource_kind, resource_id, actions, purpose, not_before, expires_at,
                        is_counted, created_at)
    SELECT u, u, u, u, u, u, 'document', u, '{read}', 'care', '-infinity', now() + interval '1 day',
           false, now() FROM gen_random_uuid() AS u
"""
_FILL = """
    SET session_replication_role = replica;
    DROP INDEX passage_vectors_near_idx;
    ALTER TABLE passage_vectors SET (parallel_workers = 1);
    INSERT INTO passage_vectors
    SELECT u, u, u, 1, n, 'some', ARRAY(SELECT random() + n FROM generate_series(1, 384))
    FROM generate_series(1, 50) AS n, gen_random_uuid() AS u
"""
_HANDED_IN = datetime(2026, 11, 1, 12, 0, 0, 250_000, UTC)
_JOB_WITHOUT_NAME = f"""
    INSERT INTO pgqueuer (priority, created, status, entrypoint, payload, headers)
    SELECT 0, '{_HANDED_IN.isoformat()}', 'failed', 'index_version',
           convert_to('{{"tenant_id": "{UUID(int=1)}"}}', 'UTF8'), '{{"person_id": "someone"}}'
"""
_BUILDS = f"""
import asyncio, sys
from pathlib import Path
from adapters.postgres.embedded import embedded_database
from adapters.postgres.engine import Database
from adapters.postgres.migrate import migrate

async def main():
    async with embedded_database(Path(sys.argv[1])) as url:
        database = Database.at(url)
        await migrate(database)
        connection = await database.connect("postgres")
        await connection.execute({_FILL!r})
        await migrate(database)
        print(await connection.fetchval({_IS_VALID!r}))
        await connection.close()

asyncio.run(main())
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
    connection = await empty.connect("postgres")
    try:
        assert await connection.fetchval(_IS_VALID) is True
        await connection.execute(
            _IS_VALID.replace("SELECT indisvalid FROM", "UPDATE").replace(
                " WHERE", " SET indisvalid = false WHERE"
            )
        )
        before = await connection.fetchval("SELECT 'passage_vectors_near_idx'::regclass::oid")
        await asyncio.gather(migrate(empty), migrate(empty))
        assert await connection.fetchval(_IS_VALID) is True
        assert (
            await connection.fetchval("SELECT 'passage_vectors_near_idx'::regclass::oid") != before
        )
        await migrate(empty)
        await check(empty)
    finally:
        await connection.close()


async def test_a_grant_that_began_in_another_age_is_mended_and_none_comes_after_it(
    empty: Database,
) -> None:
    await migrate(empty)
    connection = await empty.connect("postgres")
    try:
        await connection.execute("""
            ALTER TABLE grants DROP CONSTRAINT grants_finite_check;
            SET session_replication_role = replica;
        """)
        await connection.execute(_GRANT_OF_ANOTHER_AGE)
        await connection.execute("SET session_replication_role = origin")
        await _run_again(connection, "instants_in_our_age")
        assert await connection.fetchval("SELECT not_before = to_timestamp(0) FROM grants") is True
        with pytest.raises(asyncpg.CheckViolationError, match="does it change"):
            await connection.execute("UPDATE grants SET not_before = '-infinity'")
        await connection.execute("SET session_replication_role = replica")
        with pytest.raises(asyncpg.CheckViolationError, match="finite"):
            await connection.execute(_GRANT_OF_ANOTHER_AGE)
    finally:
        await connection.close()


@pytest.mark.slow
def test_a_graph_is_built_where_shared_memory_is_small(tmp_path: Path) -> None:
    """As in a container: 64 MB, unless somebody asked for more."""
    if os.geteuid() != 0:
        pytest.skip("small shared memory needs a mount of its own, and only root makes one")
    small = 'mount -t tmpfs -o size=8m,mode=1777 strongroom-test /dev/shm && exec "$@"'
    own = ["unshare", "--mount", "sh", "-c", small, "sh"]
    if subprocess.run([*own, "true"], capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    tmp_path.chmod(0o755)
    building = [*own, sys.executable, "-c", _BUILDS, str(tmp_path / "data")]
    built = subprocess.run(building, capture_output=True, text=True, check=False)
    assert built.stdout == "True\n", built.stderr[-2_000:]


async def test_a_purpose_of_care_stands_for_a_published_term(empty: Database) -> None:
    await migrate(empty)
    tenant_id = await create_tenant(empty, name="a", sign_up_open=True)
    terms = "SELECT code, dpv_term FROM purposes ORDER BY code"
    connection = await empty.connect("postgres")
    try:
        fresh = await connection.fetch(terms)
        await connection.execute(
            "UPDATE purposes SET dpv_term = 'dpv:MaintainHealthOfPerson'"
            " WHERE code IN ('care', 'research') AND tenant_id = $1",
            tenant_id,
        )
        await _run_again(connection, "published_purpose")
        mended = dict(await connection.fetch(terms))
    finally:
        await connection.close()
    assert mended == dict(fresh) | {"research": "dpv:MaintainHealthOfPerson"}
    assert mended["care"] == "sector-health:ServiceProvision"


async def test_a_job_that_waited_while_the_schema_was_changed_gets_its_name_and_keeps_its_place(
    empty: Database,
) -> None:
    await migrate(empty)
    connection = await empty.connect("postgres")
    try:
        await connection.execute(_JOB_WITHOUT_NAME)
        await connection.execute("DROP INDEX pgqueuer_tenant_idx")
        await _run_again(connection, "names_of_jobs")
        named = json.loads(await connection.fetchval("SELECT headers FROM pgqueuer"))
        job_id = UUID(named.pop("job_id"))
        assert named == {"person_id": "someone", "tenant_id": str(UUID(int=1))}
        assert job_id.version == 7
        assert datetime.fromtimestamp((job_id.int >> 80) / 1000, UTC) == _HANDED_IN
    finally:
        await connection.close()


def _loads_alembic(database: Database) -> bool:
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    command = [sys.executable, "-c", _MIGRATES, url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip() == "True"


async def _run_again(connection: asyncpg.Connection, name: str) -> None:
    """The script of one migration, as the role that runs it."""
    (script,) = (migrations_directory() / "sql").glob(f"*_{name}.sql")
    await connection.execute(f"SET ROLE {OWNER}")
    await connection.execute(script.read_text())
    await connection.execute("RESET ROLE")
