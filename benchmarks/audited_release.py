"""Reads through the release gate, beside the same reads without audit and with a hash chain.

    python -m benchmarks audited_release [--rounds N] [--reads N]

Every side asks, decides, locks the grant and unwraps the keys, of one document, by 32 readers.

- Ours is the gate as the container makes it, with its sequencer beside it: the event is written
  and committed with those of others who read at the same time, and the keys are taken after it.
  What the sequencer has left to do when the last read ends is waited for, but not timed.
- "Without audit" takes the keys in the statement that locks, and writes nothing.
- The hash chain is the same gate with the same event: the same evidence, sealed in the same way,
  in the same tables (copies of ours, with their indexes, keys and policies), by the same
  statement. But the reader puts it in order: it locks the last link, numbers the leaf, computes
  the next link from it, writes both with the event, and holds the lock until its commit. Sealing
  is done before the lock is taken, and the keys come in the same transaction: nothing makes sure
  that it was committed. It is what an audit that cannot be rewritten costs without a sequencer.

Beside the time, which a busy machine stretches, stand processor seconds: of this process, in which
the sequencer runs as well, and of PostgreSQL.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import text
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.encryption.canonical_json import canonical_json
from adapters.postgres import audit_events
from adapters.postgres.driver import EachAlone, Row, driver_of, driver_transaction
from adapters.postgres.gate import PostgresReleaseAttempt, PostgresReleases
from adapters.postgres.releases_together import Values
from adapters.postgres.statements import statement
from application.ports import OpenedVersion, ReleaseGate
from benchmarks.deployment import PURPOSE, fresh_deployment, shared_document, two_people
from benchmarks.measure import ROUNDS_MIN, Figures, Goal, Side, by_turns, report
from domain.audit.leaf import LoggedEvent, LoggedResource, leaf_of
from domain.consent.decision import AccessRequest, decide
from domain.consent.failure import FailureReason
from domain.identity import Action, Caller, ReleaseId, VersionRef
from entrypoints.background import beside
from entrypoints.cli.serve import sequencer_of
from entrypoints.container import Container

FIGURE = "seconds_per_1000_reads"
READERS = 32
READS = 1_600
WAIT_SECONDS_MAX = 60.0
OURS, PLAIN, CHAIN = "audited release", "without audit", "hash chain under a lock"

# The log's tables once more, for the chain, with what holds them together.
_COPIED = {
    "audit_events": "FOREIGN KEY (tenant_id) REFERENCES tenants",
    "audit_bodies": "FOREIGN KEY (tenant_id, event_id) REFERENCES bench_events",
    "audit_resources": "FOREIGN KEY (tenant_id, event_id) REFERENCES bench_events",
    "audit_openings": "FOREIGN KEY (tenant_id, event_id, document_id, version)"
    " REFERENCES bench_resources",
}
_PREPARE = (
    "CREATE TABLE bench_chain (tenant_id uuid PRIMARY KEY, size bigint, hash bytea)",
    "CREATE TABLE bench_leaves (tenant_id uuid, place bigint, event_id uuid, leaf bytea,"
    " hash bytea, PRIMARY KEY (tenant_id, place), UNIQUE (tenant_id, event_id))",
    "GRANT ALL ON bench_chain, bench_leaves TO strongroom_app",
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
_LAST = "SELECT size, hash FROM bench_chain WHERE tenant_id = $1 FOR UPDATE"
_LINK = """
    WITH leaf AS (
        INSERT INTO bench_leaves VALUES (:tenant, :place, :event, :leaf, :hash)
    ), link AS (
        UPDATE bench_chain SET size = :place, hash = :hash WHERE tenant_id = :tenant
    ), recorded AS MATERIALIZED ({record_release})
    SELECT k.* FROM recorded CROSS JOIN LATERAL bench_take(:document, :version) AS k
"""


async def measure(rounds: int, reads: int) -> None:
    # On a busy machine the last in the chain's queue would be refused.
    audit_events.RECORD_SECONDS_MAX = WAIT_SECONDS_MAX
    async with fresh_deployment() as container:
        owner, reader = await two_people(container)
        version = (await shared_document(container, owner, reader)).current.ref
        connection = await container.database().connect("postgres")
        await _prepare(connection, reader)
        chain = _Chain(
            engine=container.engine(), releases=container.releases(), statement=_chaining()
        )
        chained = replace(
            container.release_content(), releases=chain, gate_seconds_max=WAIT_SECONDS_MAX
        )

        async def through(gate: ReleaseGate) -> None:
            release = await gate(
                caller=reader, action=Action.READ, purpose=PURPOSE, versions=[version]
            )
            assert len(release.opened[version].content.secret) == 32

        sides: dict[str, tuple[Callable[[], Awaitable[None]], str | None]] = {
            OURS: (partial(through, container.gate()), "audit"),
            PLAIN: (partial(_read, container, reader, version), None),
            CHAIN: (partial(through, chained), "bench"),
        }

        def side(read: Callable[[], Awaitable[None]], log: str | None) -> Side:
            async def run() -> Figures:
                before = await _logged(connection, log)
                figures = await _timed(read, reads)
                if log == "audit":  # what is committed is in the tree soon after
                    async with asyncio.timeout(60):
                        waiting = "SELECT count(*) FROM audit_pending"
                        while await connection.fetchval(waiting):  # noqa: ASYNC110
                            await asyncio.sleep(0.05)
                after = await _logged(connection, log)
                assert after == {table: rows + reads for table, rows in before.items()}
                return figures

            return run

        async with beside(sequencer_of(container).run(), name="sequencer"):
            turns = {name: side(*of) for name, of in sides.items()}
            for warm in turns.values():
                await warm()
            measured = await by_turns("audited_release", turns, rounds=rounds)
        await connection.close()
    report(
        measured,
        goals=[
            Goal(figure=FIGURE, side=OURS, against=PLAIN, ratio_max=1 / 0.45),
            Goal(figure=FIGURE, side=OURS, against=CHAIN, ratio_max=1 / 4),
        ],
        ratios=[(CHAIN, PLAIN), (OURS, PLAIN)],
        notes=(
            "In reads a second: at least 0.45 of those without audit, 4 times the chain's.",
            "After every round the rows of both audits were counted, in every table that they have:"
            " one for each read. Both were flushed to disk before a key was used.",
        ),
    )


async def _prepare(connection: Any, reader: Caller) -> None:
    for statement_ in _PREPARE:
        await connection.execute(statement_)
    for table, key in _COPIED.items():
        copy = table.replace("audit_", "bench_")
        await connection.execute(f"CREATE TABLE {copy} (LIKE {table} INCLUDING ALL)")
        await connection.execute(f"ALTER TABLE {copy} ADD {key}")
        await connection.execute(f"CALL isolate_tenant_table('{copy}')")
        await connection.execute(f"GRANT SELECT, INSERT ON {copy} TO strongroom_app")
    record_event = await connection.fetchval(
        "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = 'record_event'"
    )
    await connection.execute(
        record_event.replace("record_event", "bench_record").replace("audit_", "bench_")
    )
    await connection.execute(
        "INSERT INTO bench_chain VALUES ($1, 0, $2)", reader.tenant_id, bytes(32)
    )
    for setting in ("fsync", "synchronous_commit"):
        assert await connection.fetchval(f"SHOW {setting}") == "on"


async def _logged(connection: Any, log: str | None) -> dict[str, int]:
    """The rows of an audit, table by table."""
    if log is None:
        return {}
    of_release = f"WHERE event_id IN (SELECT id FROM {log}_events WHERE type = 'release')"
    counted = {f"{log}_events": "WHERE type = 'release'"}
    counted |= {
        f"{log}_{part}": of_release for part in ("bodies", "resources", "openings", "leaves")
    }
    return {
        table: await connection.fetchval(f"SELECT count(*) FROM {table} {where}")
        for table, where in counted.items()
    }


async def _timed(read: Callable[[], Awaitable[None]], reads: int) -> Figures:
    async def reader() -> None:
        for _ in range(reads // READERS):
            await read()

    began, python, database = time.perf_counter(), time.process_time(), _database_seconds()
    await asyncio.gather(*(reader() for _ in range(READERS)))
    spent = {
        FIGURE: time.perf_counter() - began,
        "python_processor_seconds_per_1000_reads": time.process_time() - python,
        "database_processor_seconds_per_1000_reads": _database_seconds() - database,
    }
    return {name: 1000 * seconds / reads for name, seconds in spent.items()}


def _database_seconds() -> float:
    """Processor time of PostgreSQL so far: of its processes that live, all of whose pools stay."""
    seconds = 0.0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            seconds += times.user + times.system
    return seconds


async def _read(container: Container, caller: Caller, version: VersionRef) -> None:
    """As the gate does it: ask, decide, and hold what was decided on where it takes effect.

    What takes effect here is that the keys are taken, in one statement.
    """
    releases = container.releases()
    sealing = await releases.evidence.sealing(caller)
    async with driver_of(container.engine()) as driver:
        attempt = PostgresReleaseAttempt(driver=driver, caller=caller, sealing=sealing)
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
        rows = await driver.connection.fetch(_TAKE, *taking, record_class=Row)
    keys = await releases.keys.unwrap(caller.tenant_id, rows)
    assert len(keys) == 2


def _chaining() -> tuple[str, tuple[str, ...]]:
    record = str(statement("record_release")).replace("record_event(", "bench_record(")
    chaining = text(_LINK.format(record_release=record))
    compiled = chaining.compile(dialect=PGDialect_asyncpg())  # type: ignore[no-untyped-call]
    return str(compiled), tuple(compiled.positiontup or ())


@dataclass(frozen=True, kw_only=True)
class _Chain:
    """`Releases` whose audit is a chain: what the gate does is done, and the rest is left out."""

    engine: AsyncEngine
    releases: PostgresReleases
    statement: tuple[str, tuple[str, ...]]
    taken: dict[ReleaseId, Sequence[Any]] = field(default_factory=dict)

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresReleaseAttempt]:
        yield PostgresReleaseAttempt(
            driver=EachAlone(self.engine),
            caller=caller,
            sealing=await self.releases.evidence.sealing(caller),
            record_together=partial(self._link, caller),
        )

    async def _link(self, caller: Caller, values: Values) -> bool:
        chaining, names = self.statement
        async with driver_transaction(self.engine, caller) as driver:
            size, last = await driver.connection.fetchrow(_LAST, caller.tenant_id)
            place = size + 1
            leaf = canonical_json(leaf_of("chain", _event(values, place)))
            given = values | {
                "place": place,
                "leaf": leaf,
                "hash": sha256(last + leaf).digest(),
                "document": values["documents"][0],
                "version": values["versions"][0],
            }
            rows = await driver.connection.fetch(
                chaining, *(given[name] for name in names), record_class=Row
            )
        self.taken[values["event"]] = rows
        return True

    async def take_keys(
        self, caller: Caller, release_id: ReleaseId
    ) -> Mapping[VersionRef, OpenedVersion]:
        rows = self.taken.pop(release_id)
        keys = await self.releases.keys.unwrap(caller.tenant_id, rows)
        of = {row.kind: key for row, key in zip(rows, keys, strict=True)}
        version = VersionRef(document_id=rows[0].document_id, version=rows[0].version)
        opened = OpenedVersion(content=of["content"], metadata=of["metadata"], grant_id=None)
        return {version: opened}

    async def make_evidence_keys(self, caller: Caller, versions: Sequence[VersionRef]) -> None:
        await self.releases.make_evidence_keys(caller, versions)

    async def until_in_log(self, caller: Caller, release_id: ReleaseId) -> None:
        """It is, once it is committed."""

    async def record_failure(
        self, caller: Caller, event_id: UUID, release_id: ReleaseId, reason: FailureReason
    ) -> None:
        raise AssertionError("no read of this benchmark fails")


def _event(values: Values, number: int) -> LoggedEvent:
    return LoggedEvent(
        id=values["event"],
        type=values["type"],
        at=values["at"],
        actor_id=values["actor"],
        action=values["action"],
        purpose=values["purpose"],
        policy_version=values["policy_version"],
        resources=[
            LoggedResource(
                document_id=values["documents"][0],
                version=values["versions"][0],
                grant_id=values["grants"][0],
                grant_epoch=values["epochs"][0],
                consent_id=values["consents"][0],
                release_seq=number,
                commitment=values["commitments"][0],
                evidence_commitment=values["evidence_commitments"][0],
            )
        ],
        actor_commitment=values["actor_commitment"],
        body_commitment=values["body_commitment"],
        salt=values["salt"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=ROUNDS_MIN)
    parser.add_argument("--reads", type=int, default=READS)
    given = parser.parse_args()
    asyncio.run(measure(given.rounds, given.reads))


if __name__ == "__main__":
    main()
