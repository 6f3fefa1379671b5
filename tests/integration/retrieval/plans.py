"""The plan of a statement as the program runs it.

EXPLAIN with values plans for these values. A search is run by a plan that was made for nobody in
particular, and is kept: that of a prepared statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.statements import statement


async def search_plan(connection: AsyncConnection, values: Mapping[str, Any]) -> dict[str, Any]:
    """That of a search on this connection, which is carried out for it."""
    return await plan_of("search", connection, values)


async def plan_of(
    name: str, connection: AsyncConnection, values: Mapping[str, Any]
) -> dict[str, Any]:
    """That of the statement in sql/`name`.sql."""
    compiled = statement(name).compile(dialect=connection.dialect)
    driver: Any = (await connection.get_raw_connection()).driver_connection
    kept = "SELECT count(*) FROM pg_prepared_statements WHERE name = $1"
    prepared = f"explained_{name}"
    if not await driver.fetchval(kept, prepared):
        await driver.execute(f"PREPARE {prepared} AS {compiled.string}")
    given = ", ".join(_literal(values[each]) for each in compiled.positiontup)
    plan = await driver.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE {prepared} ({given})")
    return dict(plan[0]["Plan"])  # the engine's connections read JSON


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return _quoted("{" + ",".join('"' + str(each) + '"' for each in value) + "}")
    return _quoted(str(value))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(each for child in plan.get("Plans", ()) for each in nodes(child))]
