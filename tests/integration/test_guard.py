"""The guard at the start: each state of the database that it names is made for real, and refused.

One database is broken and mended again, many times over; the program itself is asked elsewhere
(tests/integration/running/test_refusing_to_start.py).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import APPLICATION, KEYKEEPER, OWNER, SEQUENCER, Database
from adapters.postgres.guard import DatabaseNotIsolating, assert_isolating
from adapters.postgres.migrate import migrate
from tests.integration.conftest import empty_database


@dataclass(frozen=True, slots=True)
class Broken:
    """How it is broken, how it is mended, and what the refusal has to name."""

    by: str
    mended_by: str
    named: str


_OPEN = "USING (true) WITH CHECK (true)"
_ROLE = "the role strongroom_app"
_MAY = "the application may"

# Roles belong to the server and not to a database: these are mended before anybody else looks, and
# no statement here is in force for longer than one look takes.
ROLES = (
    Broken(
        "ALTER ROLE strongroom_app SUPERUSER",
        "ALTER ROLE strongroom_app NOSUPERUSER",
        f"{_ROLE} is a superuser",
    ),
    Broken(
        "ALTER ROLE strongroom_app BYPASSRLS",
        "ALTER ROLE strongroom_app NOBYPASSRLS",
        f"{_ROLE} bypasses row-level security",
    ),
    Broken(
        "ALTER ROLE strongroom_sequencer BYPASSRLS",
        "ALTER ROLE strongroom_sequencer NOBYPASSRLS",
        "the role strongroom_sequencer bypasses row-level security",
    ),
    Broken(
        "ALTER ROLE strongroom_keykeeper SUPERUSER",
        "ALTER ROLE strongroom_keykeeper NOSUPERUSER",
        "the role strongroom_keykeeper is a superuser",
    ),
    Broken(
        "ALTER ROLE strongroom_owner BYPASSRLS",
        "ALTER ROLE strongroom_owner NOBYPASSRLS",
        "the role strongroom_owner bypasses row-level security",
    ),
    Broken(
        "GRANT strongroom_owner TO strongroom_app",
        "REVOKE strongroom_owner FROM strongroom_app",
        f"{_ROLE} may become strongroom_owner",
    ),
    Broken(
        "ALTER TABLE documents OWNER TO strongroom_app",
        "ALTER TABLE documents OWNER TO strongroom_owner",
        f"{_ROLE} owns tables: 1 of them, as documents",
    ),
    Broken(
        "ALTER TABLE pgqueuer OWNER TO strongroom_sequencer",
        "ALTER TABLE pgqueuer OWNER TO strongroom_owner",
        "the role strongroom_sequencer owns tables: 1 of them, as pgqueuer",
    ),
)

PRIVILEGES = tuple(
    Broken(
        f"GRANT {privilege} TO {to}",
        f"REVOKE {privilege} FROM {to}",
        named,
    )
    for privilege, to, named in (
        ("SELECT (wrapped) ON data_keys", APPLICATION, f"{_MAY} read wrapped keys in data_keys"),
        ("SELECT (wrapped) ON wrapping_keys", "PUBLIC", f"{_MAY} read wrapped keys in wrapping_k"),
        ("UPDATE (wrapped) ON data_keys", APPLICATION, f"{_MAY} change data_keys"),
        ("DELETE ON wrapping_keys", APPLICATION, f"{_MAY} change wrapping_keys"),
        ("INSERT ON audit_takes", APPLICATION, "itself may note which keys were taken"),
        ("DELETE ON audit_takes", APPLICATION, f"{_MAY} change audit_takes"),
        (
            "INSERT (transaction_id) ON audit_events",
            APPLICATION,
            f"{_MAY} say which transaction wrote an event",
        ),
        ("UPDATE ON consent_events", APPLICATION, f"{_MAY} change consent_events"),
        ("DELETE ON consents", "PUBLIC", f"{_MAY} change consents"),
        ("UPDATE (at) ON audit_events", APPLICATION, f"{_MAY} change audit_events"),
        ("DELETE ON audit_bodies", APPLICATION, f"{_MAY} change audit_bodies"),
        ("DELETE ON audit_pending", APPLICATION, f"{_MAY} change audit_pending"),
        ("UPDATE ON notices", APPLICATION, f"{_MAY} change notices"),
        ("DELETE ON endings", APPLICATION, f"{_MAY} change endings"),
        ("UPDATE ON usage_ledger", APPLICATION, f"{_MAY} change usage_ledger"),
        ("TRUNCATE ON grants", APPLICATION, f"{_MAY} truncate grants"),
        ("TRIGGER ON people", APPLICATION, f"{_MAY} trigger people"),
        ("CREATE ON SCHEMA public", APPLICATION, f"{_MAY} create things in the schema public"),
        ("EXECUTE ON FUNCTION erase_person", "PUBLIC", "anybody may call erase_person"),
    )
)

POLICIES = (
    Broken(
        "DROP POLICY tenant_isolation ON grants",
        "CALL isolate_tenant_table('grants')",
        "no policy keeps tenants apart on grants",
    ),
    Broken(
        f"ALTER POLICY tenant_isolation ON people {_OPEN}",
        "DROP POLICY tenant_isolation ON people; CALL isolate_tenant_table('people')",
        "the policy tenant_isolation on people lets the application see another tenant",
    ),
    Broken(
        "ALTER POLICY tenant_isolation ON versions USING (tenant_id IS NOT NULL OR tenant_id ="
        " (SELECT nullif(current_setting('app.tenant', true), '')::uuid))",
        "DROP POLICY tenant_isolation ON versions; CALL isolate_tenant_table('versions')",
        "the policy tenant_isolation on versions lets",
    ),
    Broken(
        "CREATE POLICY support ON documents FOR SELECT USING (true)",
        "DROP POLICY support ON documents",
        "the policy support on documents lets the application see another tenant",
    ),
    Broken(
        "CREATE POLICY imports ON runs FOR INSERT TO strongroom_app WITH CHECK (true)",
        "DROP POLICY imports ON runs",
        "the policy imports on runs lets",
    ),
    Broken(
        "CREATE VIEW everything AS SELECT * FROM messages",
        "DROP VIEW everything",
        "the view everything shows messages with its owner's rights",
    ),
    Broken(
        "CREATE MATERIALIZED VIEW sizes AS SELECT tenant_id, count(*) FROM blobs GROUP BY 1",
        "DROP MATERIALIZED VIEW sizes",
        "the view sizes shows blobs with its owner's rights",
    ),
    Broken(
        "CREATE TABLE forgotten (tenant_id uuid PRIMARY KEY)",
        "DROP TABLE forgotten",
        "row-level security is not enabled and forced on forgotten",
    ),
)

_TABLES = """
    SELECT c.relname FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
_TRIGGERS = """
    SELECT tgrelid::regclass::text, tgname::text, pg_get_triggerdef(oid) FROM pg_trigger
    WHERE NOT tgisinternal AND tgrelid::regclass::text <> 'pgqueuer'
      -- Those that note changes for a store of vectors are on only where there is one.
      AND tgname NOT IN ('note_added_vectors', 'note_deleted_vectors')
    ORDER BY 1, 2
"""


@pytest.fixture(scope="module")
async def breakable(database: Database) -> AsyncIterator[Database]:
    async with empty_database(database, "guarded") as own:
        await migrate(own)
        yield own


@pytest.fixture
async def administrator(breakable: Database) -> AsyncIterator[Any]:
    connection = await breakable.connect("postgres")
    yield connection
    await connection.close()


@pytest.fixture
async def application(breakable: Database) -> AsyncIterator[AsyncEngine]:
    engine = breakable.engine(APPLICATION, pool_size=1)
    yield engine
    await engine.dispose()


async def refusal(engine: AsyncEngine) -> str:
    try:
        await assert_isolating(engine)
    except DatabaseNotIsolating as refused:
        return str(refused)
    return ""


async def seen_to_be_refused(
    administrator: Any, application: AsyncEngine, states: list[Broken]
) -> int:
    """Each of them alone: named while it lasts, and nothing to say before and after."""
    for each in states:
        assert await refusal(application) == "", f"before {each.by}"
        await administrator.execute(each.by)
        try:
            said = await refusal(application)
        finally:
            await administrator.execute(each.mended_by)
        assert each.named in said, f"{each.by}: {said}"
    assert await refusal(application) == ""
    return len(states)


async def test_roles_privileges_and_policies_that_are_wrong_are_each_refused_by_name(
    administrator: Any, application: AsyncEngine, figure: Callable[[str], None]
) -> None:
    states = [*ROLES, *PRIVILEGES, *POLICIES]
    done = await seen_to_be_refused(administrator, application, states)
    figure(f"broken states made and refused by name: {done} of {len(states)}")


async def test_row_level_security_that_is_off_or_not_forced_is_refused_on_every_table(
    administrator: Any, application: AsyncEngine, figure: Callable[[str], None]
) -> None:
    """The tables come from the catalogue: one that is added is broken here as well."""
    tables = [row[0] for row in await administrator.fetch(_TABLES)]
    states = [
        Broken(
            f"ALTER TABLE {table} {off} ROW LEVEL SECURITY",
            f"ALTER TABLE {table} {on} ROW LEVEL SECURITY",
            f"row-level security is not enabled and forced on {table}",
        )
        for table in tables
        for off, on in (("DISABLE", "ENABLE"), ("NO FORCE", "FORCE"))
    ]
    assert len(tables) > 45
    done = await seen_to_be_refused(administrator, application, states)
    figure(f"tables without row-level security refused: {done} states of {len(tables)} tables")


async def test_every_trigger_that_is_missing_or_disabled_is_refused_by_name(
    administrator: Any, application: AsyncEngine, figure: Callable[[str], None]
) -> None:
    """All that the migrations made: the guard has to know of every one of them."""
    states = []
    for table, trigger, definition in await administrator.fetch(_TRIGGERS):
        named = f"the trigger {trigger} on {table} is missing or disabled"
        states.append(Broken(f"DROP TRIGGER {trigger} ON {table}", definition, named))
        off = f"ALTER TABLE {table} DISABLE TRIGGER {trigger}"
        on = f"ALTER TABLE {table} ENABLE TRIGGER {trigger}"
        states.append(Broken(off, on, named))
        replica = f"ALTER TABLE {table} ENABLE REPLICA TRIGGER {trigger}"
        states.append(Broken(replica, on, named))
    assert len(states) > 80
    done = await seen_to_be_refused(administrator, application, states)
    figure(f"triggers missing, disabled or kept for replicas refused: {done} states")


async def test_a_session_whose_triggers_do_not_fire_is_refused(
    breakable: Database, administrator: Any
) -> None:
    """As ALTER ROLE could have it for every session, which only a superuser may say."""
    await administrator.execute(
        "ALTER ROLE postgres IN DATABASE"
        f" {breakable.url.database} SET session_replication_role = 'replica'"
    )
    try:
        engine = breakable.engine(APPLICATION, pool_size=1)
        said = await refusal(engine)
        await engine.dispose()
    finally:
        await administrator.execute(
            f"ALTER ROLE postgres IN DATABASE {breakable.url.database}"
            " RESET session_replication_role"
        )
    assert "triggers do not fire in this session" in said


@pytest.mark.parametrize("role", [APPLICATION, SEQUENCER, KEYKEEPER])
async def test_the_roles_of_the_service_pass(breakable: Database, role: str) -> None:
    engine = breakable.engine(role, pool_size=1)
    assert await refusal(engine) == ""
    await engine.dispose()


async def test_the_owner_may_not_serve_as_the_application(breakable: Database) -> None:
    engine = breakable.engine(OWNER, pool_size=1)
    said = await refusal(engine)
    await engine.dispose()
    assert "the role strongroom_owner owns tables" in said


async def test_a_view_with_the_readers_rights_is_none_to_worry_about(
    administrator: Any, application: AsyncEngine
) -> None:
    await administrator.execute(
        "CREATE VIEW own WITH (security_invoker = true) AS SELECT * FROM messages"
    )
    said = await refusal(application)
    await administrator.execute("DROP VIEW own")
    assert said == ""


async def test_many_faults_are_counted_and_some_of_them_named(
    administrator: Any, application: AsyncEngine
) -> None:
    tables = [row[0] for row in await administrator.fetch(_TABLES)][:8]
    for table in tables:
        await administrator.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
    said = await refusal(application)
    for table in tables:
        await administrator.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    assert said.endswith("; and 3 more.")
    assert said.count(";") == 5
