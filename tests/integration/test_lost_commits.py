"""What is said when the database goes away: before a commit nothing was done, at one who knows."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import Database, transaction
from domain.errors import OutcomeUnknown, Unavailable
from domain.identity import TenantId


async def cut(database: Database, connection: AsyncConnection) -> None:
    """End this connection, from the server's side."""
    pid = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    superuser = await database.connect("postgres")
    try:
        assert await superuser.fetchval("SELECT pg_terminate_backend($1)", pid)
    finally:
        await superuser.close()
    await asyncio.sleep(0.2)


async def test_what_the_database_closed_while_nobody_used_it_is_replaced(
    database: Database, engine: AsyncEngine, tenant_id: TenantId
) -> None:
    number = text("SELECT pg_backend_pid()")
    async with transaction(engine, tenant_id) as connection:
        before = (await connection.execute(number)).scalar_one()
    superuser = await database.connect("postgres")
    try:
        assert await superuser.fetchval("SELECT pg_terminate_backend($1, 5000)", before)
    finally:
        await superuser.close()
    async with transaction(engine, tenant_id) as connection:
        assert (await connection.execute(number)).scalar_one() != before


async def test_before_the_commit_nothing_was_changed(
    database: Database, engine: AsyncEngine, tenant_id: TenantId
) -> None:
    async def asking() -> None:
        async with transaction(engine, tenant_id) as connection:
            await cut(database, connection)
            await connection.execute(text("SELECT 1"))

    with pytest.raises(Unavailable) as refused:
        await asking()
    assert refused.value.code == "unavailable"
    assert "nothing was changed" in refused.value.message


async def test_at_the_commit_nobody_says_that_nothing_was_changed(
    database: Database, engine: AsyncEngine, tenant_id: TenantId
) -> None:
    async def asking() -> None:
        async with transaction(engine, tenant_id) as connection:
            await cut(database, connection)

    with pytest.raises(OutcomeUnknown) as refused:
        await asking()
    assert refused.value.code == "outcome_unknown"
    assert "nothing was changed" not in refused.value.message
