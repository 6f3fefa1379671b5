"""All that a database holds, as its superuser sees it: every column of every table there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import asyncpg

from tests.integration.running.program import Program

# Tables of every schema; views and what is no table of rows would tell the same again.
_TABLES = """
    SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm', 'p', 't') AND has_table_privilege(c.oid, 'SELECT')
"""


async def tables(program: Program) -> dict[str, bytes]:
    """By table, its rows as text. What lies in bytes is there in hexadecimal digits."""
    connection = await asyncpg.connect(program.database_url)
    try:
        dumped = {}
        for each in await connection.fetch(_TABLES):
            rows = bytearray()

            async def keep(part: bytes, rows: bytearray = rows) -> None:
                rows.extend(part)

            query = f"SELECT * FROM {each['name']}"
            await connection.copy_from_query(query, output=keep)
            dumped[each["name"]] = bytes(rows)
    finally:
        await connection.close()
    return dumped


async def counts(program: Program) -> dict[str, int]:
    """Rows by table of ours."""
    connection = await asyncpg.connect(program.database_url)
    try:
        names = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        return {
            each["tablename"]: await connection.fetchval(
                f"SELECT count(*) FROM {each['tablename']}"
            )
            for each in names
        }
    finally:
        await connection.close()


def files(directory: Path, *, without: Iterable[str] = ()) -> dict[str, bytes]:
    """Everything below a directory, but for what is below a directory of one of these names."""
    found = {}
    for path in directory.rglob("*"):
        inside = path.relative_to(directory).parts
        if path.is_file() and not set(inside) & set(without):
            found[str(path)] = path.read_bytes()
    return found


def hits(places: Mapping[str, bytes], canaries: Mapping[str, str]) -> list[str]:
    """`canary in place`: as it is, quoted for a URL, or in hexadecimal; in any case of letters."""
    forms = {
        name: {
            each.lower()
            for each in (
                canary.encode(),
                canary.replace(" ", "%20").encode(),
                canary.replace(" ", "+").encode(),
                canary.encode().hex().encode(),
            )
        }
        for name, canary in canaries.items()
    }
    found = []
    for place, held in places.items():
        lower = held.lower()
        found += [f"{name} in {place}" for name in forms if any(e in lower for e in forms[name])]
    return found
