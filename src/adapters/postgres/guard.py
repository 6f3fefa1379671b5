"""Refuses to serve when the database would not hold what it is relied upon for."""

from __future__ import annotations

from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.engine import APPLICATION, AUDITOR, KEYKEEPER, OWNER, SEQUENCER
from adapters.postgres.statements import statement

NAMED_MAX = 5

_ROLES = (APPLICATION, SEQUENCER, KEYKEEPER, AUDITOR, OWNER)


class DatabaseNotIsolating(Exception):
    """The database is not set up to keep tenants apart, wrapped keys shut and the log as it was."""


async def assert_isolating(engine: AsyncEngine) -> None:
    """Raise DatabaseNotIsolating, naming what does not hold, unless all of sql/guard.sql does: for
    this engine's role, and for what the application's role may do in this database."""
    values = {"application": APPLICATION, "owner": OWNER, "roles": list(_ROLES)}
    async with engine.connect() as connection:
        rows = (await connection.execute(statement("guard"), values)).all()
    if not rows:
        return
    named = "; ".join(row.finding for row in rows[:NAMED_MAX])
    more = f"; and {len(rows) - NAMED_MAX} more" if len(rows) > NAMED_MAX else ""
    raise DatabaseNotIsolating(f"The database is not safe to serve from: {named}{more}.")
