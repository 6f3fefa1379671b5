"""Statements straight to the driver, for the two hot paths: the release gate, and ingestion.

A statement that is a transaction of its own needs neither BEGIN nor COMMIT, and holds nothing
while this process is busy. Where several are one transaction, it is entered with its BEGIN. Rows
are taken as the driver gives them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import PoolProxiedConnection

from adapters.postgres.engine import translated_outages
from adapters.postgres.statements import statement
from domain.identity import Caller

LEAVE_SECONDS_MAX = 1.0

# Without parameters, as only then several statements go at once.
_ENTER = "BEGIN; SELECT set_config('app.tenant', '{}', true), set_config('app.person', '{}', true)"


class Row(asyncpg.Record):  # type: ignore[misc]
    """As rows are elsewhere here: columns are attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


@dataclass(frozen=True, slots=True)
class Driver:
    """One connection of the driver. Its errors are the driver's."""

    connection: Any

    async def rows(self, name: str, values: Mapping[str, object]) -> Sequence[Any]:
        """Run sql/`name`.sql: outside of a transaction it is one of its own."""
        sql, names = _compiled(name)
        rows: Sequence[Any] = await self.connection.fetch(
            sql, *(values[each] for each in names), record_class=Row
        )
        return rows


@dataclass(frozen=True, slots=True)
class EachAlone:
    """For every statement a connection of the pool, which is held no longer than that."""

    engine: AsyncEngine

    async def rows(self, name: str, values: Mapping[str, object]) -> Sequence[Any]:
        """As `Driver.rows`. Raises Unavailable as `transaction` does."""
        async with driver_of(self.engine) as driver:
            return await driver.rows(name, values)


@asynccontextmanager
async def driver_of(engine: AsyncEngine) -> AsyncIterator[Driver]:
    """A connection of the pool, in no transaction. Raises Unavailable as `transaction` does."""
    with translated_outages():
        pooled = await engine.raw_connection()
        try:
            yield Driver(pooled.driver_connection)
        except BaseException as failure:
            await _leave(pooled, failure)
            raise
        finally:
            pooled.close()  # back into the pool, unless it was invalidated
            # Whoever waits for one has it before us, should we want it again.
            await asyncio.sleep(0)


@asynccontextmanager
async def driver_transaction(engine: AsyncEngine, caller: Caller) -> AsyncIterator[Driver]:
    """One transaction inside one tenant: a clean exit commits, an exception rolls back."""
    async with driver_of(engine) as driver:
        # Made of their numbers: whatever else a caller were made of could not get in here.
        tenant, person = UUID(int=caller.tenant_id.int), UUID(int=caller.person_id.int)
        await driver.connection.execute(_ENTER.format(tenant, person))
        yield driver
        await driver.connection.execute("COMMIT")


async def _leave(pooled: PoolProxiedConnection, failure: BaseException) -> None:
    """Whatever was begun is over; where that cannot be made sure, nobody gets this connection."""
    driver = _driver(pooled)
    if isinstance(failure, asyncpg.PostgresError) and not driver.is_in_transaction():
        return
    is_left = False
    try:
        async with asyncio.timeout(LEAVE_SECONDS_MAX):
            await driver.execute("ROLLBACK")
            is_left = True
    finally:
        if not is_left:
            pooled.invalidate()


def _driver(pooled: PoolProxiedConnection) -> Any:
    return pooled.driver_connection


@cache
def _compiled(name: str) -> tuple[str, tuple[str, ...]]:
    """With $1, $2 ... for its parameters, and their names in this order."""
    compiled = statement(name).compile(dialect=PGDialect_asyncpg())  # type: ignore[no-untyped-call]
    return str(compiled), tuple(compiled.positiontup or ())
