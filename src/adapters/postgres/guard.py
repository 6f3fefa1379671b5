"""Refuses to serve when the database would not keep tenants apart."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

_ROLE = text("""
    SELECT current_user AS name, rolsuper OR rolbypassrls AS unbound,
           EXISTS (SELECT 1 FROM pg_class WHERE relowner = r.oid AND relkind IN ('r', 'p')) AS owns
    FROM pg_roles r WHERE rolname = current_user
""")

# From the catalogue, not from a list: a table that someone forgot is the one that matters.
_UNPROTECTED = text("""
    SELECT c.relname FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace
      AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    ORDER BY 1
""")


class DatabaseNotIsolating(Exception):
    """The database is not set up to keep tenants apart."""


async def assert_isolating(engine: AsyncEngine) -> None:
    """Raise DatabaseNotIsolating if this engine's role is above row-level security, or a
    tenant table lacks it."""
    async with engine.connect() as connection:
        role = (await connection.execute(_ROLE)).one()
        unprotected = (await connection.execute(_UNPROTECTED)).scalars().all()
    if role.unbound or role.owns:
        raise DatabaseNotIsolating(
            f"The role {role.name} is a superuser, bypasses row-level security, or owns tables."
        )
    if unprotected:
        raise DatabaseNotIsolating(
            f"Row-level security is not enabled and forced on: {', '.join(unprotected)}."
        )
