"""Tenants are kept apart by the database, whatever the application forgets."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import Database, transaction
from adapters.postgres.guard import DatabaseNotIsolating, assert_isolating
from domain.identity import Caller, TenantId
from tests.integration.conftest import new_tenant

CallerIn = Callable[[TenantId], Awaitable[Caller]]

_TENANT_TABLES = text("""
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p')
      AND c.relnamespace = 'public'::regnamespace
""")

_READABLE = text("""
    SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE a.attname = 'tenant_id' AND c.relkind IN ('r', 'p')
      AND c.relnamespace = 'public'::regnamespace
      AND has_column_privilege(c.oid, a.attnum, 'SELECT')
""")


async def test_the_application_is_below_row_level_security(engine: AsyncEngine) -> None:
    await assert_isolating(engine)


async def test_a_superuser_may_not_serve(database: Database) -> None:
    engine = database.engine("postgres")
    try:
        with pytest.raises(DatabaseNotIsolating, match="postgres is a superuser"):
            await assert_isolating(engine)
    finally:
        await engine.dispose()


async def test_no_statistics_are_kept_of_what_may_be_erased(engine: AsyncEngine) -> None:
    """A column that a migration adds to a table needs `CALL keep_no_samples('table')`. Of an index
    over an expression samples are kept as well."""
    sampled = text("""
        SELECT format('%s.%s', a.attrelid::regclass, a.attname) FROM pg_attribute a
        JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_index i ON i.indexrelid = c.oid
        WHERE (c.relkind IN ('r', 'p') OR i.indkey[a.attnum - 1] = 0)
          AND c.relnamespace = 'public'::regnamespace
          AND a.attnum > 0 AND NOT a.attisdropped
          AND coalesce(i.indrelid, a.attrelid)
              IN (SELECT attrelid FROM pg_attribute WHERE attname = 'tenant_id')
          AND (a.atttypid IN ('bytea'::regtype, 'halfvec'::regtype)
               OR a.attname IN ('lexeme', 'email', 'display_name'))
          AND a.attstattarget IS DISTINCT FROM 0
    """)
    async with engine.connect() as connection:
        assert (await connection.execute(sampled)).scalars().all() == []


async def test_every_key_begins_with_the_tenant(engine: AsyncEngine) -> None:
    """One over all tenants tells whether somebody else has such a row, and a reference is checked
    without regard to row-level security. Ours alone: the names of the tenants themselves."""
    across = text("""
        SELECT format('%s.%s', k.conrelid::regclass, k.conname) FROM pg_constraint k
        JOIN pg_attribute t ON t.attrelid = k.conrelid AND t.attname = 'tenant_id'
        JOIN pg_class c ON c.oid = k.conrelid AND c.relnamespace = 'public'::regnamespace
        WHERE k.contype IN ('p', 'u', 'f') AND k.conkey[1] <> t.attnum
        UNION
        SELECT i.indexrelid::regclass::text FROM pg_index i
        JOIN pg_attribute t ON t.attrelid = i.indrelid AND t.attname = 'tenant_id'
        JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace
        WHERE i.indisunique AND i.indkey[0] <> t.attnum
    """)
    async with engine.connect() as connection:
        found = set((await connection.execute(across)).scalars())
    assert found == {"tenants.tenants_name_key", "tenants_name_key"}


async def test_functions_of_the_owner_look_nowhere_but_in_our_schema(engine: AsyncEngine) -> None:
    """Else who calls one chooses, by a search path or a temporary table, what it reads."""
    query = text("""
        SELECT p.oid::regprocedure::text, coalesce(array_to_string(p.proconfig, '; '), '')
        FROM pg_proc p
        WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace
    """)
    async with engine.connect() as connection:
        functions = [(row[0], row[1]) for row in await connection.execute(query)]
    assert len(functions) > 20
    assert [each for each in functions if "search_path=public, pg_temp" not in each[1]] == []


async def test_no_table_shows_a_row_of_another_tenant(
    database: Database, engine: AsyncEngine, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    await caller_in(tenant_id)
    stranger = await new_tenant(database)
    async with engine.connect() as connection:
        tables = (await connection.execute(_TENANT_TABLES)).scalars().all()
        readable = (await connection.execute(_READABLE)).scalars().all()
    assert len(tables) > 30
    assert set(readable) < set(tables)
    for table in readable:
        async with transaction(engine, stranger) as connection:
            count = text(f"SELECT count(*) FROM {table} WHERE tenant_id <> :own")
            assert (await connection.execute(count, {"own": stranger})).scalar_one() == 0, table


async def test_without_a_tenant_nothing_is_seen(
    engine: AsyncEngine, tenant_id: TenantId, caller_in: CallerIn
) -> None:
    await caller_in(tenant_id)
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT count(*) FROM people"))).scalar_one() == 0


async def test_wrapped_keys_cannot_be_selected(engine: AsyncEngine, tenant_id: TenantId) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with transaction(engine, tenant_id) as connection:
            await connection.execute(text("SELECT wrapped FROM data_keys"))


@pytest.mark.parametrize("table", ["audit_events", "audit_leaves", "consent_events", "notices"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE"])
async def test_nobody_rewrites_the_log_not_even_its_owner(
    database: Database, table: str, statement: str
) -> None:
    connection = await database.connect("strongroom_owner")
    try:
        with pytest.raises(Exception, match="append-only"):
            await connection.execute(statement.format(table))
    finally:
        await connection.close()
