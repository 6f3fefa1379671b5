"""Readers who come at the same time share a commit, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from adapters.postgres.engine import Database
from domain.consent.terms import Terms
from domain.errors import NotFound, Unavailable
from domain.identity import (
    Action,
    Caller,
    DocumentId,
    Purpose,
    ResourceKind,
    ResourceRef,
    TenantId,
)
from entrypoints.container import Container
from tests.integration.conftest import add_text

CallerIn = Callable[[TenantId], Awaitable[Caller]]
CARE = Purpose("care")
READERS = 12


@pytest.fixture
async def asha(tenant_id: TenantId, caller_in: CallerIn) -> Caller:
    return await caller_in(tenant_id)


@pytest.fixture
async def shared(
    container: Container, tenant_id: TenantId, asha: Caller, caller_in: CallerIn
) -> dict[Caller, DocumentId]:
    """Readers, each with a document of Asha's that nobody else reads."""
    documents = {}
    for number in range(READERS):
        reader = await caller_in(tenant_id)
        document = await add_text(container, asha, f"Secret {number}.", f"Letter {number}")
        terms = Terms(
            resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=document.id),
            actions=frozenset({Action.READ}),
            purpose=CARE,
            expires_at=datetime.now(UTC) + timedelta(days=1),
        )
        await container.give_grant()(caller=asha, grantee=reader.person_id, terms=terms)
        documents[reader] = document.id
    return documents


@pytest.fixture
async def administrator(database: Database) -> AsyncIterator[Any]:
    connection = await database.connect("postgres")
    yield connection
    await connection.close()


async def read(container: Container, caller: Caller, document_id: DocumentId) -> bytes:
    content = await container.read_content()(caller=caller, document_id=document_id, purpose=CARE)
    return b"".join([piece async for piece in content.read(0, content.length)])


async def counted(administrator: Any, tenant_id: TenantId, statement: str) -> list[int]:
    return list(await administrator.fetchrow(statement, tenant_id))


async def test_many_readers_share_commits_and_each_reads_their_own(
    container: Container,
    tenant_id: TenantId,
    shared: dict[Caller, DocumentId],
    administrator: Any,
) -> None:
    for _ in range(3):
        texts = await asyncio.gather(*(read(container, *each) for each in shared.items()))
        assert texts == [f"Secret {number}.".encode() for number in range(READERS)]
    releases, commits, takes = await counted(
        administrator,
        tenant_id,
        "SELECT count(*), count(DISTINCT transaction_id::text),"
        " (SELECT count(*) FROM audit_takes WHERE tenant_id = $1)"
        " FROM audit_events WHERE tenant_id = $1 AND type = 'release'",
    )
    assert releases == takes == 3 * READERS
    assert commits < releases
    doubtful = """
        SELECT count(*) FROM audit_events e
        WHERE e.tenant_id = $1 AND e.type = 'release' AND NOT EXISTS (
            SELECT FROM audit_resources r
            JOIN grants g ON g.tenant_id = r.tenant_id AND g.id = r.grant_id
            JOIN audit_openings o ON o.tenant_id = r.tenant_id AND o.event_id = r.event_id
                 AND o.document_id = r.document_id AND o.version = r.version
            JOIN audit_bodies b ON b.tenant_id = r.tenant_id AND b.event_id = r.event_id
            WHERE r.tenant_id = e.tenant_id AND r.event_id = e.id
              AND g.grantee_id = e.actor_id AND g.resource_id = r.document_id)
    """
    assert await counted(administrator, tenant_id, doubtful) == [0]


async def test_whoever_is_refused_is_refused_beside_those_who_are_not(
    container: Container,
    tenant_id: TenantId,
    shared: dict[Caller, DocumentId],
    administrator: Any,
) -> None:
    """Half of them ask for what was granted to somebody else."""
    documents = list(shared.values())
    asked = [
        (reader, documents[number] if number % 2 else documents[number - 2])
        for number, reader in enumerate(shared)
    ]
    answers = await asyncio.gather(
        *(read(container, *each) for each in asked), return_exceptions=True
    )
    for number, answer in enumerate(answers):
        if number % 2:
            assert answer == f"Secret {number}.".encode()
        else:
            assert isinstance(answer, NotFound)
    told = await counted(
        administrator,
        tenant_id,
        "SELECT count(*) FILTER (WHERE type = 'release'), count(*) FILTER (WHERE type = 'denial')"
        " FROM audit_events WHERE tenant_id = $1",
    )
    assert told == [READERS // 2, READERS // 2]


async def test_nobody_waits_for_what_somebody_else_asked_for(
    container: Container, shared: dict[Caller, DocumentId], administrator: Any
) -> None:
    """One grant is being withdrawn, slowly: its reader alone waits for how that ends."""
    (slow, slow_document), *others = shared.items()
    async with asyncio.timeout(10), administrator.transaction():
        await administrator.execute(
            "UPDATE grants SET revoked_at = clock_timestamp(), epoch = epoch + 1"
            " WHERE grantee_id = $1",
            slow.person_id,
        )
        waiting = asyncio.create_task(read(container, slow, slow_document))
        for _ in range(3):
            assert len(await asyncio.gather(*(read(container, *each) for each in others)))
        assert not waiting.done()
    with pytest.raises(NotFound):
        await waiting


async def test_what_spoils_it_for_all_is_found_and_the_others_are_served(
    container: Container, shared: dict[Caller, DocumentId], administrator: Any
) -> None:
    spoilt = next(iter(shared))
    await administrator.execute(
        f"""
        CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.actor_id = '{spoilt.person_id}' THEN RAISE EXCEPTION 'spoilt'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER spoil BEFORE INSERT ON audit_events FOR EACH ROW EXECUTE FUNCTION spoil();
        """
    )
    try:
        answers = await asyncio.gather(
            *(read(container, *each) for each in shared.items()), return_exceptions=True
        )
    finally:
        await administrator.execute("DROP FUNCTION spoil CASCADE")
    assert isinstance(answers[0], Unavailable)
    assert answers[1:] == [f"Secret {number}.".encode() for number in range(1, READERS)]


async def test_who_goes_away_takes_nobody_along(
    container: Container,
    tenant_id: TenantId,
    shared: dict[Caller, DocumentId],
    administrator: Any,
) -> None:
    """Whenever it is, the others are served, and no key was taken that is not in the log."""
    leaving = list(shared.items())[: READERS // 2]
    staying = list(shared.items())[READERS // 2 :]
    left = 0
    for number in range(20):
        leave = [asyncio.create_task(read(container, *each)) for each in leaving]
        stay = [asyncio.create_task(read(container, *each)) for each in staying]
        await asyncio.sleep(number / 1000)
        left += sum(each.cancel() for each in leave)
        assert len(await asyncio.gather(*stay)) == len(staying)
        await asyncio.gather(*leave, return_exceptions=True)
    assert left
    takes, known = await counted(
        administrator,
        tenant_id,
        "SELECT count(*), count(e.id) FROM audit_takes t LEFT JOIN audit_events e"
        " ON e.tenant_id = t.tenant_id AND e.id = t.event_id AND e.type = 'release'"
        " WHERE t.tenant_id = $1",
    )
    assert takes == known >= 20 * len(staying)
