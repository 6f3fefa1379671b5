"""Does the database keep tenants apart, whichever part of the service forgets to?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from adapters.postgres.engine import APPLICATION, KEYKEEPER, OWNER, SEQUENCER
from adapters.postgres.guard import DatabaseNotIsolating, assert_isolating
from entrypoints.cli.doctor.findings import Finding, held_if
from entrypoints.cli.doctor.patient import Patient

ROLES = (APPLICATION, SEQUENCER, KEYKEEPER, "strongroom_auditor")

_TABLES = """
    SELECT c.relname FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1
"""
# What opens an entry may be erased, the entry not: each table says what it refuses.
_APPEND_ONLY = """
    SELECT DISTINCT tgrelid::regclass::text AS name, tgtype::integer AS refuses FROM pg_trigger
    WHERE tgname = 'append_only' AND NOT tgisinternal ORDER BY 1
"""
_REWRITES = {  # by their bits in pg_trigger.tgtype
    16: "UPDATE {} SET tenant_id = tenant_id",
    8: "DELETE FROM {}",
    32: "TRUNCATE {} CASCADE",
}
_ATTEMPTS = (
    "SELECT count(*) FROM {} WHERE tenant_id = $1",
    "WITH gone AS (DELETE FROM {} WHERE tenant_id = $1 RETURNING 1) SELECT count(*) FROM gone",
    "WITH made AS (UPDATE {} SET tenant_id = tenant_id WHERE tenant_id = $1 RETURNING 1)"
    " SELECT count(*) FROM made",
    "WITH made AS (INSERT INTO {} (tenant_id) VALUES ($1) RETURNING 1) SELECT count(*) FROM made",
)


async def examine_roles(patient: Patient) -> Sequence[Finding]:
    """First, and by itself: what is missing here is why others cannot be made."""
    why = await patient.container.audit_probe().look()
    return [
        *[await _guard(patient, role) for role in (APPLICATION, SEQUENCER, KEYKEEPER)],
        held_if(
            why is None,
            "the log can be written" if why is None else f"the log cannot be written: {why}",
        ),
    ]


async def examine(patient: Patient) -> Sequence[Finding]:
    await _furnish(patient)
    return [await _matrix(patient), await _rewriting(patient)]


async def _furnish(patient: Patient) -> None:
    """So that there is something to be found in the other tenant."""
    container, (_, tenant_id) = patient.container, patient.tenants
    owner, grantee = await patient.person(tenant_id), await patient.person(tenant_id)
    document = await patient.document(owner)
    await patient.share(owner, document, grantee)
    await patient.read(grantee, document)
    collection = await container.add_collection()(caller=owner, title="The doctor's")
    await container.put_in_collection()(
        caller=owner, collection_id=collection, document_id=document.id
    )
    await container.share_by_link()(caller=owner, terms=patient.terms(document))
    await container.start_conversation()(caller=owner)


async def _guard(patient: Patient, role: str) -> Finding:
    engine = patient.container.database().engine(role, pool_size=1)
    try:
        await assert_isolating(engine)
    except DatabaseNotIsolating as found:
        return held_if(False, str(found))
    finally:
        await engine.dispose()
    return held_if(
        True, f"{role} is below row-level security, which is forced on every tenant table"
    )


async def _matrix(patient: Patient) -> Finding:
    """From within one tenant, and from within none, at every table of another."""
    through, attempts = [], 0
    for role in ROLES:
        connection = await patient.container.database().connect(role)
        try:
            tables = [row[0] for row in await connection.fetch(_TABLES)]
            for inside in (str(patient.tenants[0]), ""):
                for table in tables:
                    for attempt in _ATTEMPTS:
                        attempts += 1
                        rows = await _rows(connection, inside, attempt.format(table), patient)
                        if rows:
                            through.append(f"{role}: {attempt.format(table)}")
        finally:
            await connection.close()
    told = f"{attempts:,} attempts at another tenant's rows, let through: {len(through)}"
    return held_if(not through, told + "".join(f"\n{each}" for each in through[:10]))


async def _rows(connection: Any, inside: str, attempt: str, patient: Patient) -> int:
    """How many rows it saw or touched, and 1 where only what was missing in the row kept it from
    being inserted. Whatever it did is rolled back."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute("SELECT set_config('app.tenant', $1, true)", inside)
        found: int = await connection.fetchval(attempt, patient.tenants[1])
    except asyncpg.InsufficientPrivilegeError:
        return 0  # or a policy's refusal: they share a code
    except asyncpg.IntegrityConstraintViolationError:
        return 1
    finally:
        await transaction.rollback()
    return found


async def _rewriting(patient: Patient) -> Finding:
    """Not even the role that owns the tables rewrites history."""
    through, attempts = [], 0
    for role in (*ROLES, OWNER):
        connection = await patient.container.database().connect(role)
        try:
            for table, refuses in await connection.fetch(_APPEND_ONLY):
                rewrites = [each for bit, each in _REWRITES.items() if refuses & bit]
                for rewrite in rewrites:
                    attempts += 1
                    if await _rewrites(connection, rewrite.format(table), patient):
                        through.append(f"{role}: {rewrite.format(table)}")
        finally:
            await connection.close()
    told = f"{attempts:,} attempts to rewrite the ledger and the log, let through: {len(through)}"
    return held_if(bool(attempts) and not through, told + "".join(f"\n{x}" for x in through[:10]))


async def _rewrites(connection: Any, rewrite: str, patient: Patient) -> bool:
    transaction = connection.transaction()
    await transaction.start()
    try:
        # Should it be possible against all expectation: nobody waits for it, and it is undone.
        await connection.execute("SET LOCAL lock_timeout = '200ms'")
        await connection.execute(
            "SELECT set_config('app.tenant', $1, true)", str(patient.tenants[1])
        )
        await connection.execute(rewrite)
    except asyncpg.PostgresError:
        return False
    finally:
        await transaction.rollback()
    return True
