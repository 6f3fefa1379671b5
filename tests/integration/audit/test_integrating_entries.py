"""What was committed comes into the log once, in one order, without gaps, whoever is killed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.encryption.signatures import ed25519_verify
from adapters.postgres.audit import PostgresLog
from adapters.postgres.engine import SEQUENCER, Database, transaction
from adapters.postgres.signals import PostgresSignals
from application.audit.integrate_entries import IntegrateEntries, LogDamaged
from domain.audit.checkpoint import open_checkpoint
from domain.audit.proof import is_consistent
from domain.audit.tree import Position, append, leaf_hash, root
from domain.errors import NotFound, Unavailable
from domain.vault.document import Document
from entrypoints.worker.sequencer import Sequencer
from tests.integration.audit.conftest import CallerIn, TestedLog

WRITERS = 32
RELEASES_EACH = 12
RELEASES_EACH_MAX = 100
KILLS = 4


async def test_nothing_is_lost_twice_or_out_of_number_while_sequencers_are_killed(
    log: TestedLog, database: Database
) -> None:
    documents = [log.document, await log.another_document()]
    sequencers = [database.engine(SEQUENCER, pool_size=2) for _ in range(2)]
    released: list[tuple[str, Document]] = []
    kills = 0

    async def write(number: int) -> None:
        for turn in range(RELEASES_EACH_MAX):
            if turn >= RELEASES_EACH and kills >= KILLS:
                return
            # One in four names both documents; the others take turns.
            both = (number + turn) % 4 == 0
            named = documents if both else [documents[(number + turn) % 2]]
            release = await log.release(*named)
            released.extend((str(release.id), each) for each in named)

    async def keep_integrating(integrate: IntegrateEntries) -> None:
        while True:
            await integrate(tenant_id=log.owner.tenant_id)
            await asyncio.sleep(0.005)

    signing = asyncio.Event()

    class SlowSigner:
        """Holds its transaction open, with the queue drained, until it is killed there."""

        async def public_key(self) -> bytes:
            return log.key.public_key

        async def sign(self, message: bytes) -> bytes:
            signing.set()
            await asyncio.sleep(60)
            return b""

    integrates = [
        replace(log.integrate, log=PostgresLog(engine=each), entries_max=7) for each in sequencers
    ]
    integrates[1] = replace(integrates[1], signer=SlowSigner())
    steady = asyncio.create_task(keep_integrating(integrates[0]))
    writers = asyncio.gather(*(write(number) for number in range(WRITERS)))
    try:
        while not writers.done():
            victim = asyncio.create_task(keep_integrating(integrates[1]))
            signs = asyncio.create_task(signing.wait())
            await asyncio.wait({victim, signs}, timeout=2, return_when=asyncio.FIRST_COMPLETED)
            signs.cancel()
            kills += signing.is_set()
            signing.clear()
            victim.cancel()
            with pytest.raises(asyncio.CancelledError):
                await victim
            await asyncio.sleep(0.02)
        await writers
    finally:
        steady.cancel()
        await asyncio.gather(steady, return_exceptions=True)
        for each in sequencers:
            await each.dispose()
    await log.integrate_all()

    events = await log.rows("SELECT id, type FROM audit_events WHERE tenant_id = $1")
    leaves = await log.rows(
        "SELECT leaf_index, event_id, leaf FROM audit_leaves WHERE tenant_id = $1 ORDER BY 1"
    )
    assert [row["leaf_index"] for row in leaves] == list(range(len(events)))
    assert Counter(row["event_id"] for row in leaves) == Counter(row["id"] for row in events)
    assert sum(row["type"] == "release" for row in events) == len({event for event, _ in released})
    for document in documents:
        numbered = await log.rows(
            "SELECT release_seq, event_id FROM audit_numbers"
            " WHERE tenant_id = $1 AND document_id = $2 ORDER BY 1",
            document.id,
        )
        ids = {event for event, about in released if about is document}
        assert [row["release_seq"] for row in numbered] == list(range(1, len(ids) + 1))
        assert {str(row["event_id"]) for row in numbered} == ids
    await _tree_is_that_of_the_leaves(log, [row["leaf"] for row in leaves])
    await _checkpoints_are_one_history(log)
    assert kills >= KILLS


async def test_a_sequencer_that_dies_before_its_commit_leaves_everything_to_the_next(
    log: TestedLog,
) -> None:
    await log.release()

    class Dies(Exception):
        pass

    class DyingSigner:
        async def public_key(self) -> bytes:
            return log.key.public_key

        async def sign(self, message: bytes) -> bytes:
            raise Dies

    with pytest.raises(Dies):
        await replace(log.integrate, signer=DyingSigner())(tenant_id=log.owner.tenant_id)
    assert not await log.rows("SELECT 1 FROM audit_leaves WHERE tenant_id = $1")
    assert not await log.rows("SELECT 1 FROM audit_numbers WHERE tenant_id = $1")
    assert await log.integrate_all() == 2


async def test_a_log_that_another_sequencer_holds_is_left_alone(
    log: TestedLog, sequencer_engine: AsyncEngine
) -> None:
    tenant_id = log.owner.tenant_id
    async with PostgresLog(engine=sequencer_engine).begin(tenant_id) as tx:
        assert await tx.lock()
        assert (await log.integrate(tenant_id=tenant_id)).entries == 0
    assert (await log.integrate(tenant_id=tenant_id)).entries == 1


async def test_a_frozen_sequencer_loses_its_log_and_cannot_commit(
    log: TestedLog, sequencer_engine: AsyncEngine
) -> None:
    tenant_id = log.owner.tenant_id

    async def freeze() -> None:
        async with PostgresLog(engine=sequencer_engine).begin(tenant_id) as tx:
            assert await tx.lock()
            assert len(await tx.drain(10)) == 1
            shorter = text("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
            await tx.connection.execute(shorter)
            await asyncio.sleep(0.3)
            assert (await log.integrate(tenant_id=tenant_id)).entries == 1
            await tx.checkpoint()

    with pytest.raises(Unavailable):
        await freeze()


@pytest.mark.parametrize(
    "table",
    [
        "audit_events",
        "audit_resources",
        "audit_leaves",
        "audit_numbers",
        "audit_nodes",
        "audit_checkpoints",
    ],
)
async def test_neither_the_application_nor_the_sequencer_rewrites_the_log(
    log: TestedLog, engine: AsyncEngine, sequencer_engine: AsyncEngine, table: str
) -> None:
    await log.release()
    await log.integrate_all()
    for each in (engine, sequencer_engine):
        for statement in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError, match="permission denied"):
                async with transaction(each, log.owner.tenant_id) as connection:
                    await connection.execute(text(statement))


async def test_the_application_cannot_write_leaves_nodes_or_checkpoints(
    log: TestedLog, engine: AsyncEngine
) -> None:
    for statement in (
        "INSERT INTO audit_leaves VALUES (:t, 0, :t, '')",
        "INSERT INTO audit_nodes VALUES (:t, 0, 0, '')",
        "INSERT INTO audit_checkpoints VALUES (:t, 0, '', '')",
        "INSERT INTO audit_numbers VALUES (:t, :t, 1, :t, 1)",
        "DELETE FROM audit_pending WHERE tenant_id = :t",
    ):
        with pytest.raises(DBAPIError, match="permission denied"):
            async with transaction(engine, log.owner.tenant_id) as connection:
                await connection.execute(text(statement), {"t": log.owner.tenant_id})


async def test_a_document_added_to_a_release_afterwards_is_no_part_of_it(
    log: TestedLog, engine: AsyncEngine
) -> None:
    other = await log.another_document()
    release = await log.release()
    async with transaction(engine, log.owner.tenant_id) as connection:
        await connection.execute(
            text(
                "INSERT INTO audit_resources (tenant_id, event_id, document_id, version)"
                " VALUES (:tenant, :event, :document, 1)"
            ),
            {"tenant": log.owner.tenant_id, "event": release.id, "document": other.id},
        )
    await log.integrate_all()
    proof = await log.prove_entry(caller=log.owner, event_id=release.id)
    assert len(json.loads(proof.leaf)["resources"]) == 1
    accesses = await log.list_accesses(caller=log.owner, document_id=other.id, after=0, limit=10)
    assert accesses == []


async def test_accesses_are_numbered_without_gaps_and_the_pending_ones_follow(
    log: TestedLog, caller_in: CallerIn
) -> None:
    ids = [(await log.release()).id for _ in range(3)]
    before = await log.list_accesses(
        caller=log.owner, document_id=log.document.id, after=0, limit=10
    )
    assert [each.number for each in before] == [None] * 3
    await log.integrate_all()
    ids += [(await log.release()).id for _ in range(2)]
    seen = await log.list_accesses(caller=log.owner, document_id=log.document.id, after=0, limit=10)
    assert [each.number for each in seen] == [1, 2, 3, None, None]
    assert [each.event_id for each in seen] == ids
    assert {(each.display_name, each.action, each.version) for each in seen} == {
        ("Test Person", "read", 1)
    }
    rest = await log.list_accesses(caller=log.owner, document_id=log.document.id, after=2, limit=2)
    assert [each.number for each in rest] == [3, None]
    stranger = await caller_in(log.owner.tenant_id)
    with pytest.raises(NotFound):
        await log.list_accesses(caller=stranger, document_id=log.document.id, after=0, limit=10)


async def test_the_loop_integrates_every_tenant_and_survives_a_lost_database(
    log: TestedLog, database: Database
) -> None:
    engine = database.engine(SEQUENCER, pool_size=1)
    sequencer = Sequencer(
        entries=PostgresLog(engine=engine),
        integrate=replace(log.integrate, log=PostgresLog(engine=engine)),
        signals=PostgresSignals(database=database),
    )
    async with engine.connect() as connection:
        backend = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one()
    async with sequencer.sequencing():
        await _until_integrated(log)
        assert sequencer.connected
        assert sequencer.last_integrated_at is not None
        assert sequencer.entries_integrated >= 1
        assert await log.rows("SELECT pg_terminate_backend($2) WHERE $1::uuid IS NOT NULL", backend)
        await log.release()
        await _until_integrated(log)
        await log.release()
    # What was committed before the stop is integrated on the way out.
    assert not await log.rows("SELECT 1 FROM audit_pending WHERE tenant_id = $1")
    await engine.dispose()


async def test_a_tampered_log_is_not_signed_on(log: TestedLog) -> None:
    for _ in range(5):
        await log.release()
    await log.integrate_all()
    await log.tamper(
        "UPDATE audit_nodes SET hash = decode(repeat('00', 32), 'hex')"
        " WHERE tenant_id = $1 AND level = 2"
    )
    await log.release()
    with pytest.raises(LogDamaged, match="does not have the root"):
        await log.integrate(tenant_id=log.owner.tenant_id)
    await log.tamper(
        "UPDATE audit_checkpoints SET note = replace(note, '6', '7') WHERE tenant_id = $1"
    )
    with pytest.raises(LogDamaged, match="not one that we signed"):
        await log.integrate(tenant_id=log.owner.tenant_id)


async def _until_integrated(log: TestedLog) -> None:
    async with asyncio.timeout(10):
        while await log.rows("SELECT 1 FROM audit_pending WHERE tenant_id = $1"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def _tree_is_that_of_the_leaves(log: TestedLog, leaves: Sequence[bytes]) -> None:
    stored = {
        Position(row["level"], row["index"]): row["hash"]
        for row in await log.rows("SELECT * FROM audit_nodes WHERE tenant_id = $1")
    }
    assert stored == append(0, {}, [leaf_hash(leaf) for leaf in leaves])
    _, checkpoint = await log.checkpoint()
    assert (checkpoint.size, checkpoint.root) == (len(leaves), root(len(leaves), stored))


async def _checkpoints_are_one_history(log: TestedLog) -> None:
    notes = await log.rows("SELECT note FROM audit_checkpoints WHERE tenant_id = $1 ORDER BY size")
    checkpoints = [open_checkpoint(row["note"], log.key, ed25519_verify) for row in notes]
    assert len(checkpoints) > 5
    for old, new in pairwise(checkpoints):
        proof = await log.prove_consistency(
            tenant_id=log.owner.tenant_id, old=old.size, new=new.size
        )
        assert is_consistent(
            old_size=old.size,
            old_root=old.root,
            new_size=new.size,
            new_root=new.root,
            proof=proof.hashes,
        )
