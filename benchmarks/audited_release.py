"""Reads through the release gate, beside the same reads without audit and with a hash chain.

    python -m benchmarks audited_release [--rounds N] [--reads N]

Every side asks, decides, locks the grant and unwraps the key, of one document, by 32 readers.
"Without audit" takes the key in the statement that locks. The hash chain does the same, and adds
an entry to a chain whose last link it holds a lock on: what an audit that cannot be rewritten
costs where the reader itself puts it in order. Ours runs with its sequencer beside it.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from hashlib import sha256

from adapters.identifiers import uuid7
from adapters.postgres.driver import Driver, Row, driver_transaction
from benchmarks.deployment import PURPOSE, fresh_deployment, shared_document, two_people
from benchmarks.measure import ROUNDS_MIN, Figures, Goal, by_turns, report
from domain.consent.decision import AccessRequest, decide
from domain.identity import Action, Caller, VersionRef
from entrypoints.background import beside
from entrypoints.cli.serve import sequencer_of
from entrypoints.container import Container

FIGURE = "seconds_per_1000_reads"
READERS = 32
READS = 1_600
OURS, PLAIN, CHAIN = "audited release", "without audit", "hash chain under a lock"

_PREPARE = (
    "CREATE TABLE bench_chain (tenant_id uuid PRIMARY KEY, hash bytea NOT NULL)",
    "CREATE TABLE bench_entries (id uuid PRIMARY KEY, hash bytea NOT NULL, entry bytea NOT NULL)",
    "GRANT ALL ON bench_chain, bench_entries TO strongroom_app",
    # The keys of a version, as take_deks gives them, to whoever asks.
    """CREATE FUNCTION bench_take(document uuid, wanted integer)
    RETURNS TABLE (document_id uuid, version integer, kind text, owner_id uuid, key_id uuid,
                   wrapped bytea, subject_key_id uuid, subject_key_version integer,
                   subject_wrapped bytea, tenant_key_id uuid, tenant_key_version integer,
                   tenant_wrapped bytea)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
        SELECT k.resource_id, wanted, k.kind, k.owner_id, k.id, k.wrapped, s.id, s.version,
               s.wrapped, t.id, t.version, t.wrapped
        FROM data_keys k
        JOIN wrapping_keys s ON s.tenant_id = k.tenant_id AND s.id = k.wrapping_key_id
        JOIN wrapping_keys t ON t.tenant_id = s.tenant_id AND t.id = s.wrapping_key_id
        WHERE k.resource_id = document
          AND (k.kind = 'metadata' OR (k.kind = 'content' AND k.version = wanted))
    $$""",
)
_TAKE = """
    SELECT k.* FROM (
        SELECT hold_release($1, $2, ARRAY[$3::uuid], '{}', '{}',
                            ARRAY[$5::uuid], ARRAY[$6::integer], '{}', '{}') OFFSET 0) AS held
    CROSS JOIN LATERAL bench_take($3, $4) AS k
"""
_LAST = "SELECT hash FROM bench_chain WHERE tenant_id = $1 FOR UPDATE"
_LINK = (
    "WITH entry AS (INSERT INTO bench_entries VALUES ($1, $2, $3))"
    " UPDATE bench_chain SET hash = $2 WHERE tenant_id = $4"
)


async def measure(rounds: int, reads: int) -> None:
    async with fresh_deployment() as container:
        owner, reader = await two_people(container)
        version = (await shared_document(container, owner, reader)).current.ref
        connection = await container.database().connect("postgres")
        for statement in _PREPARE:
            await connection.execute(statement)
        await connection.execute(
            "INSERT INTO bench_chain VALUES ($1, $2)", reader.tenant_id, bytes(32)
        )

        async def released() -> None:
            release = await container.gate()(
                caller=reader, action=Action.READ, purpose=PURPOSE, versions=[version]
            )
            assert len(release.opened[version].content.secret) == 32

        async def plain() -> None:
            await _read(container, reader, version)

        async def chained() -> None:
            await _read(container, reader, version, link=_link)

        counted = (
            (OURS, released, "SELECT count(*) FROM audit_events WHERE type = 'release'"),
            (PLAIN, plain, None),
            (CHAIN, chained, "SELECT count(*) FROM bench_entries"),
        )

        def side(
            read: Callable[[], Awaitable[None]], count: str | None
        ) -> Callable[[], Awaitable[Figures]]:
            async def run() -> Figures:
                before = 0 if count is None else await connection.fetchval(count)
                per_second = await _per_second(read, reads)
                if count is not None:
                    assert await connection.fetchval(count) == before + reads
                return {FIGURE: 1000 / per_second}

            return run

        async with beside(sequencer_of(container).run(), name="sequencer"):
            sides = {name: side(read, count) for name, read, count in counted}
            for warm in sides.values():
                await warm()
            measured = await by_turns("audited_release", sides, rounds=rounds)
        await connection.close()
    report(
        measured,
        goals=[
            Goal(figure=FIGURE, side=OURS, against=PLAIN, ratio_max=1 / 0.45),
            Goal(figure=FIGURE, side=OURS, against=CHAIN, ratio_max=1 / 4),
        ],
        ratios=[(CHAIN, PLAIN)],
        notes=(
            "In reads a second: at least 0.45 of those without audit, 4 times the chain's.",
            "After every round the rows of the audit were counted: one for each read.",
        ),
    )


async def _per_second(read: Callable[[], Awaitable[None]], reads: int) -> float:
    async def reader() -> None:
        for _ in range(reads // READERS):
            await read()

    began = time.perf_counter()
    await asyncio.gather(*(reader() for _ in range(READERS)))
    return reads / (time.perf_counter() - began)


async def _read(
    container: Container,
    caller: Caller,
    version: VersionRef,
    *,
    link: Callable[[Driver, Caller, VersionRef], Awaitable[None]] | None = None,
) -> None:
    """As the gate does it: ask, decide, and hold what was decided on where it takes effect.

    What takes effect here is that the keys are taken, in one statement; with a link, in the
    transaction of that link.
    """
    releases = container.releases()
    async with releases.begin(caller) as attempt:
        (asked,) = await attempt.ask([version])
        request = AccessRequest(
            person_id=caller.person_id,
            action=Action.READ,
            purpose=PURPOSE,
            version=version,
            owner_id=asked.owner_id,
        )
        decision = decide(request, asked.grants, asked.at)
        assert decision.grant is not None
        of = (version.document_id, version.version)
        taking = (caller.tenant_id, caller.person_id, *of, decision.grant.id, decision.grant.epoch)
        if link is None:
            rows = await attempt.driver.connection.fetch(_TAKE, *taking, record_class=Row)
    if link is not None:
        async with driver_transaction(container.engine(), caller) as driver:
            await link(driver, caller, version)
            rows = await driver.connection.fetch(_TAKE, *taking, record_class=Row)
    keys = await releases.keys.unwrap(caller.tenant_id, rows)
    assert len(keys) == 2


async def _link(driver: Driver, caller: Caller, version: VersionRef) -> None:
    last = await driver.connection.fetchval(_LAST, caller.tenant_id)
    entry = b"release " + caller.person_id.bytes + version.document_id.bytes
    hash_ = sha256(last + entry).digest()
    await driver.connection.execute(_LINK, uuid7(), hash_, entry, caller.tenant_id)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--reads", type=int, default=READS)
    given = parser.parse_args()
    asyncio.run(measure(given.rounds, given.reads))


if __name__ == "__main__":
    main()
