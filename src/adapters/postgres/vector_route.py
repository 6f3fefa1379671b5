"""What the choice between comparing all vectors and asking a graph rests on (ADR-0030).

The choice itself is made in search.sql, in the same statement that uses it: what is visible is
known nowhere else at that moment.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import entered
from domain.identity import Caller
from domain.retrieval.vectors import EXACT_PASSAGES_MAX

GRAPH = "passage_vectors_near_idx"
GRAPH_DIMENSIONS = 384
ROW_BYTES = 910
"""Of a row of passage_vectors: nine fill a page of the heap."""

# A plan is made once for each connection, and anew when tables or statistics change: to make one
# takes three times as long as to search where little is visible. It is made for nobody in
# particular, under these settings every time; what it reads by is written into the statement
# (ADR-0049).
#
# A sequential scan would read the rows of everybody, and take longer the more others have; so would
# a bitmap of all documents of a tenant, which was seen to be made for those of one owner. A nested
# loop over two intermediate results, which a planner without fresh statistics believes to be small,
# was seen to run for half a minute. Without sorting, the graph is the one way to rows in the order
# of their distance: its estimates have no say. Whoever must sort, does. With the memory that is
# usual, what is granted is aggregated on disk from a thousand documents on; a scan of the graph may
# have twice as much.
PLANNING = text("""
    SELECT set_config('app.tenant', :tenant, true),
           set_config('app.person', :person, true),
           set_config('plan_cache_mode', 'force_generic_plan', true),
           set_config('enable_seqscan', 'off', true),
           set_config('enable_bitmapscan', 'off', true),
           set_config('enable_nestloop', 'off', true),
           set_config('enable_sort', 'off', true),
           set_config('hnsw.iterative_scan', 'relaxed_order', true),
           set_config('hnsw.ef_search', :breadth, true),
           set_config('work_mem', '32MB', true),
           set_config('hnsw.scan_mem_multiplier', '2', true),
           (SELECT i.indexrelid FROM pg_index i
            WHERE i.indexrelid = to_regclass('public.passage_vectors_near_idx') AND i.indisvalid)
               AS graph,
           pg_relation_size('public.passage_vectors') AS bytes
""").bindparams(breadth="200")


@asynccontextmanager
async def searching(
    engine: AsyncEngine, caller: Caller
) -> AsyncIterator[tuple[AsyncConnection, Row[Any]]]:
    """A transaction in which visible.sql and what builds on it is run. The row says what tables
    and graph there are."""
    async with entered(engine, caller.tenant_id, caller.person_id, by=PLANNING) as begun:
        yield begun


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorRoute:
    """Up to `exact_passages_max` visible passages are compared one by one, whatever else holds.

    The rest was measured: the graph may hand out one entry for `entry_cost` visible passages, and
    visit `visited_per_entry` for each of these, which is about what it takes. Visiting one took as
    long as comparing eight vectors that lie together. `overfetch` times as many as are wanted have
    to be found among them: the order is only nearly right. With fewer, recall@10 was once 0.87.

    How many are handed out depends on what is visible and the size of the table, and not on what
    lies about the question: `spare` times as many as it takes where hidden ones lie by chance. More
    spare lets more hidden ones lie there before the graph comes short, which time does tell.
    """

    exact_passages_max: int = EXACT_PASSAGES_MAX
    entry_cost: float = 80.0
    visited_per_entry: float = 10.0
    overfetch: float = 1.5
    spare: float = 2.0

    def values(
        self, found: Row[Any] | None, per_leg: int, vector: str | None, dimensions: int
    ) -> Mapping[str, Any]:
        """What search.sql is to choose by. `found` is the row of `searching`; without one, while
        the graph is being built, and where it is of vectors of another length, all is compared.
        """
        has_graph = found is not None and dimensions == GRAPH_DIMENSIONS
        return {
            "exact_max": self.exact_passages_max,
            "entry_cost": self.entry_cost,
            "visited_per_entry": self.visited_per_entry,
            "spare": self.spare,
            "fetched": math.ceil(per_leg * self.overfetch),
            "graph": found.graph if found is not None and has_graph else None,
            "near": vector if has_graph else None,
            "total": 0 if found is None else coarse(found.bytes / ROW_BYTES),
        }


BY_DEFAULT = VectorRoute()


def coarse(rows: float) -> int:
    """The next power of two: of what is hidden, no more than this has a say in the choice.

    The size of a table is exact at any time, which its statistics are not.
    """
    return 1 << max(math.ceil(rows) - 1, 0).bit_length()
