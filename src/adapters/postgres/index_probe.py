"""Searching the index for what was just deleted from it, by the ways that a search takes.

Rows that are still a document's are counted elsewhere, by the document. This asks as whoever
remembers some of it would: by its words, and for what lies nearest to its vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Text, cast, func, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.tables import passage_vectors, postings
from adapters.postgres.vector_route import GRAPH, GRAPH_DIMENSIONS
from domain.identity import Caller
from domain.vault.document import Document

WORDS_MAX = 32
VECTORS_MAX = 3
SCANNED_MAX = 2_000
"""Of the nearest vectors, so many are looked at: others may say the very same."""

_WORDS = text("""
    SELECT count(*) FROM postings
    WHERE tenant_id = :tenant AND owner_id = :owner AND lexeme = ANY(:words)
      AND document_id = :document
""")
_NEAREST = text(f"""
    SELECT count(*) FROM (
        SELECT FROM passage_vectors
        WHERE vector_dims(embedding) = {GRAPH_DIMENSIONS} AND document_id = :document
        ORDER BY embedding::halfvec({GRAPH_DIMENSIONS})
            <#> CAST(:vector AS halfvec({GRAPH_DIMENSIONS}))
        LIMIT 1
    ) nearest
""")  # noqa: S608 - a number of this program
_HAS_GRAPH = text(
    f"SELECT EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass('public.{GRAPH}')"  # noqa: S608
    " AND indisvalid)"
)
# Without sorting, the graph is the one way to rows in the order of their distance; and it goes on
# while what it finds is of other documents.
_PLANNING = text(f"""
    SELECT set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true),
           set_config('hnsw.iterative_scan', 'relaxed_order', true),
           set_config('hnsw.max_scan_tuples', '{SCANNED_MAX}', true)
""")


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexProbes:
    """Some of what the open index has of a document: lexemes, and vectors as text. Empty where it
    has nothing, and without vectors while there is no graph of them, or of another length."""

    words: Sequence[str]
    vectors: Sequence[str]

    @property
    def count(self) -> int:
        return len(self.words) + len(self.vectors)


async def index_probes(
    connection: AsyncConnection, caller: Caller, document: Document
) -> IndexProbes:
    """To be taken before it is deleted."""
    words = (
        select(postings.c.lexeme)
        .distinct()
        .where(
            postings.c.tenant_id == caller.tenant_id,
            postings.c.owner_id == document.owner_id,
            postings.c.document_id == document.id,
        )
        .limit(WORDS_MAX)
    )
    vectors = (
        select(cast(passage_vectors.c.embedding, Text))
        .where(
            passage_vectors.c.tenant_id == caller.tenant_id,
            passage_vectors.c.owner_id == document.owner_id,
            passage_vectors.c.document_id == document.id,
            func.vector_dims(passage_vectors.c.embedding) == GRAPH_DIMENSIONS,
        )
        .limit(VECTORS_MAX)
    )
    has_graph = (await connection.execute(_HAS_GRAPH)).scalar_one()
    return IndexProbes(
        words=(await connection.execute(words)).scalars().all(),
        vectors=(await connection.execute(vectors)).scalars().all() if has_graph else (),
    )


async def index_hits(
    connection: AsyncConnection, caller: Caller, document: Document, probes: IndexProbes
) -> int:
    """How often these find the document."""
    by_words = {
        "tenant": caller.tenant_id,
        "owner": document.owner_id,
        "words": list(probes.words),
        "document": document.id,
    }
    hits: int = (await connection.execute(_WORDS, by_words)).scalar_one()
    planning = await connection.begin_nested()
    await connection.execute(_PLANNING)
    for vector in probes.vectors:
        nearest = {"vector": vector, "document": document.id}
        hits += (await connection.execute(_NEAREST, nearest)).scalar_one()
    await planning.rollback()  # what was set for this does not stay set
    return hits
