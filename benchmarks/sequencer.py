"""How fast the sequencer brings entries into the log, beside a plain insert of the same rows.

    python -m benchmarks sequencer [--rounds N] [--entries N]

Ours drains what is pending, makes the leaves, grows the tree, signs checkpoints and commits. The
peer inserts as many rows of the same size into one table, in one statement per 1,000.
"""

from __future__ import annotations

import argparse
import asyncio
import time

from sqlalchemy import text

from adapters.postgres.engine import transaction
from benchmarks.deployment import fresh_deployment, two_people
from benchmarks.measure import ROUNDS_MIN, Figures, Goal, by_turns, report
from domain.identity import Caller
from entrypoints.container import Container

ENTRIES = 20_000
BATCH = 1_000
FIGURE = "seconds_per_10000_entries"
OURS, PEER = "sequencer", "plain insert of the leaves"

# Events as releases leave them, with random commitments: the trigger queues them.
_EVENTS = text("""
    WITH fresh AS (SELECT gen_random_uuid() AS id FROM generate_series(1, :count)),
    event AS (
        INSERT INTO audit_events (tenant_id, id, type, at, actor_id, action, purpose,
                                  policy_version, actor_commitment, body_commitment)
        SELECT :tenant, id, 'release', clock_timestamp(), :actor, 'read', 'research', '1',
               sha256(uuid_send(id)), sha256(uuid_send(id)) FROM fresh),
    body AS (
        INSERT INTO audit_bodies (tenant_id, event_id, salt)
        SELECT :tenant, id, sha256(uuid_send(id)) FROM fresh),
    opening AS (
        INSERT INTO audit_openings (tenant_id, document_id, event_id, version, salt)
        SELECT :tenant, :document, id, 1, sha256(uuid_send(id)) FROM fresh)
    INSERT INTO audit_resources (tenant_id, event_id, document_id, version, commitment,
                                 evidence_commitment)
    SELECT :tenant, id, :document, 1, sha256(uuid_send(id)), sha256(uuid_send(id)) FROM fresh
""")
_LEAVES = "SELECT leaf_index, event_id, leaf FROM audit_leaves ORDER BY leaf_index DESC LIMIT $1"
_PLAIN = "CREATE TABLE bench_leaves (LIKE audit_leaves INCLUDING INDEXES INCLUDING DEFAULTS)"
_COPY = """
    INSERT INTO bench_leaves (tenant_id, leaf_index, event_id, leaf)
    SELECT $1, $2 + n, gen_random_uuid(), leaf
    FROM unnest($3::bytea[]) WITH ORDINALITY AS l (leaf, n)
"""


async def measure(rounds: int, entries: int) -> None:
    async with fresh_deployment() as container:
        owner, _ = await two_people(container)
        connection = await container.database().connect("postgres")
        await connection.execute(_PLAIN)
        inserted = 0

        async def integrated() -> Figures:
            await _pend(container, owner, entries)
            began = time.perf_counter()
            done = 0
            while found := (await container.integrate_entries()(tenant_id=owner.tenant_id)).entries:
                done += found
            seconds = time.perf_counter() - began
            assert done == entries
            return {FIGURE: seconds / entries * 10_000}

        async def plain() -> Figures:
            nonlocal inserted
            leaves = [row["leaf"] for row in await connection.fetch(_LEAVES, entries)]
            assert len(leaves) == entries
            began = time.perf_counter()
            for first in range(0, entries, BATCH):
                batch = leaves[first : first + BATCH]
                await connection.execute(_COPY, owner.tenant_id, inserted, batch)
                inserted += len(batch)
            return {FIGURE: (time.perf_counter() - began) / entries * 10_000}

        await integrated()  # so that there are leaves to copy
        await plain()
        measured = await by_turns("sequencer", {OURS: integrated, PEER: plain}, rounds=rounds)
        await connection.close()
    report(
        measured,
        goals=[Goal(figure=FIGURE, side=OURS, at_most=1.0)],
        ratios=[(OURS, PEER)],
        notes=("10,000 entries a second are 1 second for 10,000 entries.",),
    )


async def _pend(container: Container, owner: Caller, entries: int) -> None:
    values = {
        "tenant": owner.tenant_id,
        "actor": owner.person_id,
        "document": owner.person_id,
        "count": BATCH,
    }
    for _ in range(0, entries, BATCH):
        async with transaction(container.engine(), owner.tenant_id) as connection:
            await connection.execute(_EVENTS, values)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--entries", type=int, default=ENTRIES)
    given = parser.parse_args()
    asyncio.run(measure(given.rounds, given.entries))


if __name__ == "__main__":
    main()
