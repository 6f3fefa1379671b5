"""The table of postings beside the leaner form: a GIN index on tsvector, and frequencies from it.

    python -m benchmarks postings [--passages N] [--rounds N]

Both sides hold the same passages of synthetic text, whose words are as frequent as Zipf's law has
it, and answer the same questions with the same BM25 over what may be seen. Ours is the statement
that a search runs, with consent and row-level security; the leaner one knows of no consent but who
owns a passage. One searcher owns everything, and one has been given one document in a hundred.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from adapters.identifiers import uuid7
from benchmarks.deployment import fresh_deployment, two_people
from benchmarks.measure import ROUNDS_MIN, Figures, by_turns, report
from domain.consent.terms import Terms
from domain.identity import PERSONAL_USE, Action, Caller, ResourceKind, ResourceRef
from domain.retrieval.query import SearchQuery
from entrypoints.container import Container

PASSAGES = 100_000
PER_DOCUMENT = 100
WORDS = 140
VOCABULARY = 30_000
PER_QUESTION = {"3 words": 3, "10 words": 10, "100 words": 100}
QUESTIONS = 3
BATCH = 500
FILL = 20_000
OURS, LEAN = "postings", "GIN on tsvector"

_SCRATCH = """
    CREATE TABLE lean (
        tenant_id uuid, owner_id uuid, document_id uuid, version integer, passage_id bigint,
        length integer, words tsvector, PRIMARY KEY (tenant_id, passage_id));
    CREATE INDEX lean_words ON lean USING gin (words);
    CREATE INDEX lean_document ON lean (tenant_id, document_id);
    CREATE TABLE spoken (id bigint PRIMARY KEY, document_id uuid, body text);
"""
# Of rank r with a probability of about 1/r; the words are no stop words and their own stems.
_SPEAK = """
    INSERT INTO spoken
    SELECT p, ($2::uuid[])[(p - $4::int) / $3::int + 1],
           (SELECT string_agg('q' || floor(exp(random() * ln($6::float8)))::int || 'z', ' ')
            FROM generate_series(1, ($5 + 0 * p)::int))
    FROM generate_series($4::int, $4::int + $1::int - 1) AS p
"""
_DOCUMENTS = """
    INSERT INTO documents (tenant_id, id, owner_id, current_version, searchable_version, index_mode,
        audit_mode, sealed_metadata, passage_count, lexeme_count, analysis, created_at, updated_at)
    SELECT $1, d, $2, 1, 1, 'clear', 'committed', '', $4::int, $4::int * $5::int, 1, now(), now()
    FROM unnest($3::uuid[]) AS d
"""
_VERSIONS = """
    INSERT INTO versions (tenant_id, document_id, version, media_type, content_length,
        content_blob_id, state, passage_count, lexeme_count, created_at)
    SELECT $1, d, 1, 'text/plain', 1, d, 'ready', $3::int, $3::int * $4::int, now()
    FROM unnest($2::uuid[]) AS d
"""
_PASSAGES = """
    INSERT INTO passages (tenant_id, document_id, version, ordinal, start_byte, end_byte,
                          lexeme_count, sealed_text)
    SELECT $1, document_id, 1, id, 0, 1, $2, '' FROM spoken ORDER BY id
"""
_POSTINGS = """
    INSERT INTO postings (tenant_id, owner_id, lexeme, document_id, version, passage_id, frequency,
                          length)
    SELECT $1, $2, w, s.document_id, 1, p.id, count(*), $3
    FROM spoken s JOIN passages p ON p.tenant_id = $1 AND p.document_id = s.document_id
         AND p.version = 1 AND p.ordinal = s.id
    CROSS JOIN LATERAL unnest(string_to_array(s.body, ' ')) AS w
    WHERE s.id >= $4 AND s.id < $5
    GROUP BY w, s.document_id, p.id ORDER BY w, p.id
"""
_LEAN = """
    INSERT INTO lean
    SELECT $1, $2, s.document_id, 1, p.id, $3, to_tsvector('simple', s.body)
    FROM spoken s JOIN passages p ON p.tenant_id = $1 AND p.document_id = s.document_id
         AND p.version = 1 AND p.ordinal = s.id
    WHERE s.id >= $4 AND s.id < $5
"""
# The candidates of the index, of which those that may not be seen are thrown away.
_ASK_LEAN = """
    WITH corpus AS (
        SELECT sum(passage_count)::float8 AS passages,
               sum(lexeme_count)::float8 / sum(passage_count) AS length_mean
        FROM documents WHERE tenant_id = $1 AND id = ANY($2::uuid[])
    ), matched AS MATERIALIZED (
        SELECT l.passage_id, l.length, t.lexeme, cardinality(t.positions) AS frequency
        FROM lean l CROSS JOIN LATERAL unnest(l.words) AS t
        WHERE l.words @@ $3::tsquery AND l.tenant_id = $1 AND l.document_id = ANY($2::uuid[])
          AND t.lexeme = ANY($4::text[])
    ), rarity AS MATERIALIZED (
        SELECT m.lexeme, ln(1 + (c.passages - count(*) + 0.5) / (count(*) + 0.5)) AS weight
        FROM matched m CROSS JOIN corpus c GROUP BY m.lexeme, c.passages
    )
    SELECT m.passage_id, sum(r.weight * m.frequency * 2.2
           / (m.frequency + 1.2 * (1 - 0.5 + 0.5 * m.length / c.length_mean))) AS score
    FROM matched m JOIN rarity r USING (lexeme) CROSS JOIN corpus c
    GROUP BY m.passage_id ORDER BY score DESC, m.passage_id LIMIT 100
"""
_SIZES = """
    SELECT pg_total_relation_size('postings') AS ours, pg_total_relation_size('lean') AS lean,
           (SELECT sum(length(body)) FROM spoken) AS text
"""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Both forms of one index, and two who search it."""

    container: Container
    connection: Any
    owner: Caller
    reader: Caller
    documents: Sequence[Any]
    given: Sequence[Any]

    async def ours(self, caller: Caller, question: Sequence[str]) -> list[float]:
        words = " ".join(question)
        found = await self.container.passages().candidates(
            caller,
            SearchQuery(text=words[:2_000]),
            Action.SEARCH,
            words=words,
            vector=None,
            model="none",
        )
        return sorted(found.keyword.values(), reverse=True)

    async def lean(self, caller: Caller, question: Sequence[str]) -> list[float]:
        visible = self.documents if caller is self.owner else self.given
        rows = await self.connection.fetch(
            _ASK_LEAN, caller.tenant_id, visible, " | ".join(question), list(question)
        )
        return [row["score"] for row in rows]


async def measure(rounds: int, passages: int) -> None:
    async with fresh_deployment() as container:
        owner, reader = await two_people(container)
        connection = await container.database().connect("postgres")
        shelf = await _filled(container, connection, owner, reader, passages)
        sizes = await connection.fetchrow(_SIZES)
        size = {OURS: sizes["ours"], LEAN: sizes["lean"]}
        chance = random.Random(20_261_129)
        questions = {
            name: [_question(chance, count) for _ in range(QUESTIONS)]
            for name, count in PER_QUESTION.items()
        }
        await _assert_equal(shelf, questions)
        added = passages

        async def side(
            name: str, ask: Callable[[Caller, Sequence[str]], Awaitable[Any]], insert: str
        ) -> Figures:
            nonlocal added
            figures: dict[str, float] = {"index_mb_per_mb_of_text": size[name] / sizes["text"]}
            for kind, asked in questions.items():
                for who, caller in (("owner", owner), ("reader of 1%", reader)):
                    taken = []
                    for question in asked:
                        began = time.perf_counter()
                        await ask(caller, question)
                        taken.append((time.perf_counter() - began) * 1_000)
                    figures[f"{who}, {kind}: milliseconds"] = statistics.median(taken)
            await _speak(connection, shelf.documents[:20], added, BATCH)
            await connection.execute(_PASSAGES_SINCE, owner.tenant_id, WORDS, added)
            for each in (_POSTINGS, _LEAN):  # both, so that the two stay alike
                began = time.perf_counter()
                await connection.execute(
                    each, owner.tenant_id, owner.person_id, WORDS, added, added + BATCH
                )
                if each is insert:
                    seconds = (time.perf_counter() - began) / BATCH * 1_000
                    figures["insert_seconds_per_1000_passages"] = seconds
            added += BATCH
            return figures

        measured = await by_turns(
            "postings",
            {
                OURS: lambda: side(OURS, shelf.ours, _POSTINGS),
                LEAN: lambda: side(LEAN, shelf.lean, _LEAN),
            },
            rounds=rounds,
        )
        await connection.close()
    report(
        measured,
        ratios=[(OURS, LEAN)],
        notes=(
            f"{passages:,} passages of {WORDS} words out of {VOCABULARY:,}, by Zipf's law.",
            "The scores of both were compared for every question, and equal.",
            "What grows with the passages that match is ten times as much at ten times as many.",
        ),
    )


_PASSAGES_SINCE = _PASSAGES.replace("ORDER BY id", "WHERE id >= $3 ORDER BY id")


async def _filled(
    container: Container, connection: Any, owner: Caller, reader: Caller, passages: int
) -> Shelf:
    documents = [uuid7() for _ in range(passages // PER_DOCUMENT)]
    given = documents[::PER_DOCUMENT]
    tenant, person = owner.tenant_id, owner.person_id
    await connection.execute(_SCRATCH)
    await connection.execute(_DOCUMENTS, tenant, person, documents, PER_DOCUMENT, WORDS)
    await connection.execute(_VERSIONS, tenant, documents, PER_DOCUMENT, WORDS)
    await _speak(connection, documents, 0, passages)
    await connection.execute(_PASSAGES, tenant, WORDS)
    for first in range(0, passages, FILL):
        print(f"filling: {first:,} of {passages:,} passages", flush=True)
        for insert in (_POSTINGS, _LEAN):
            await connection.execute(insert, tenant, person, WORDS, first, first + FILL)
    for each in given:
        await _give(container, owner, reader, each)
    for table in ("postings", "lean", "passages", "documents"):
        await connection.execute(f"VACUUM ANALYZE {table}")
    return Shelf(
        container=container,
        connection=connection,
        owner=owner,
        reader=reader,
        documents=documents,
        given=given,
    )


async def _give(container: Container, owner: Caller, reader: Caller, document: Any) -> None:
    terms = Terms(
        resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=document),
        actions=frozenset({Action.SEARCH}),
        purpose=PERSONAL_USE,
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    await container.give_grant()(caller=owner, grantee=reader.person_id, terms=terms)


async def _speak(connection: Any, documents: Sequence[Any], first: int, passages: int) -> None:
    each = max(passages // len(documents), 1)
    await connection.execute(_SPEAK, passages, documents, each, first, WORDS, VOCABULARY)


async def _assert_equal(shelf: Shelf, questions: dict[str, list[list[str]]]) -> None:
    for question in (each for asked in questions.values() for each in asked):
        for caller in (shelf.owner, shelf.reader):
            ours, lean = await shelf.ours(caller, question), await shelf.lean(caller, question)
            assert len(ours) == len(lean)
            assert all(abs(a - b) < 1e-4 for a, b in zip(ours, lean, strict=True))


def _question(chance: random.Random, count: int) -> list[str]:
    """Words as frequent as in the text, each once: most of them are common ones."""
    words: dict[str, None] = {}
    while len(words) < count:
        words[f"q{int(VOCABULARY ** chance.random())}z"] = None
    return list(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--passages", type=int, default=PASSAGES)
    given = parser.parse_args()
    asyncio.run(measure(given.rounds, given.passages))


if __name__ == "__main__":
    main()
