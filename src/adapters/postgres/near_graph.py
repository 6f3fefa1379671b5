"""The graph of vectors, built beside those who write where there are vectors already.

A migration is one transaction, and would keep ingestion waiting until the graph is whole. Built
concurrently it keeps nobody waiting; until then searches compare all. Whoever dies while building
leaves an index that is not valid: it is never asked, and made anew by the next who migrates.
"""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.engine import OWNER

KIB_MIN, KIB_MAX = 64 * 1024, 2 * 1024**2

_IS_VALID = text("""
    SELECT coalesce((SELECT i.indisvalid FROM pg_index i
                     WHERE i.indexrelid = to_regclass('public.passage_vectors_near_idx')), false)
        OR to_regclass('public.passage_vectors') IS NULL
""")
# Without waiting: CREATE INDEX CONCURRENTLY waits for every transaction that is older, and would
# wait for ever for one that waits for it.
_LOCK = text("SELECT pg_try_advisory_lock(823_401_557_002)")
_UNLOCK = text("SELECT pg_advisory_unlock(823_401_557_002)")
_SETTINGS = (
    f"SET ROLE {OWNER}",
    "SET statement_timeout = 0",
    "SET lock_timeout = 0",
    # A graph that does not fit is built many times slower. 100,000 vectors take 90 MB, and their
    # graph 130 MB; those who build it together share that memory, all of it from the beginning.
    f"""SELECT set_config('maintenance_work_mem', least(greatest(
            2 * pg_table_size('public.passage_vectors') / 1024, {KIB_MIN}), {KIB_MAX}) || 'kB',
        false)""",
)
_NO_SPACE = "53100"
_ABANDONED = "DROP INDEX CONCURRENTLY IF EXISTS public.passage_vectors_near_idx"
_BUILD = (
    "CREATE INDEX CONCURRENTLY passage_vectors_near_idx ON public.passage_vectors"
    " USING hnsw ((embedding::halfvec(384)) halfvec_ip_ops) WITH (m = 24, ef_construction = 128)"
    " WHERE vector_dims(embedding) = 384"
)
# What is indexed is an expression, of which ANALYZE would keep samples as of a column.
_NO_SAMPLES = "ALTER INDEX public.passage_vectors_near_idx ALTER COLUMN 1 SET STATISTICS 0"


async def build_graph(connection: AsyncConnection) -> None:
    """Nothing where it is there, or somebody else is building it. `connection` is in no
    transaction, and is not used for anything else afterwards."""
    if (await connection.execute(_IS_VALID)).scalar_one():
        await connection.rollback()
        return
    await connection.rollback()
    own = await connection.execution_options(isolation_level="AUTOCOMMIT")
    if not (await own.execute(_LOCK)).scalar_one():
        return
    try:
        for setting in _SETTINGS:
            await own.execute(text(setting))
        try:
            await _build(own)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) != _NO_SPACE:
                raise
            # A container has 64 MB of shared memory unless it is told otherwise; one process
            # alone needs none, and takes longer.
            await own.execute(text("SET max_parallel_maintenance_workers = 0"))
            await _build(own)
    finally:
        await own.execute(_UNLOCK)


async def _build(own: AsyncConnection) -> None:
    for statement in (_ABANDONED, _BUILD, _NO_SAMPLES):
        await own.execute(text(statement))
