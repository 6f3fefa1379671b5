"""The release gate on a real database: the audit row is the key."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters.identifiers import uuid7
from adapters.postgres.driver import driver_transaction
from adapters.postgres.engine import Database, transaction
from adapters.postgres.gate import PostgresReleaseAttempt
from adapters.postgres.releases_together import Values, record_on
from application.consent.ports import AskedVersion, Decided, Outdated, ReleaseAttempt
from domain.consent.decision import AccessRequest, decide
from domain.consent.grant import Grant, GrantAlreadyRevoked
from domain.consent.terms import Terms
from domain.errors import NotFound, Unavailable
from domain.identity import (
    Action,
    Caller,
    DocumentId,
    GrantId,
    Purpose,
    ReleaseId,
    ResourceKind,
    ResourceRef,
    TenantId,
    VersionRef,
)
from domain.vault.document import Document
from entrypoints.container import Container
from tests.integration.conftest import add_text, new_tenant

CallerIn = Callable[[TenantId], Awaitable[Caller]]
CARE = Purpose("care")


class Scene:
    """Asha, her document, and Ben."""

    def __init__(self, container: Container, asha: Caller, ben: Caller, document: Document) -> None:
        self.container, self.asha, self.ben, self.document = container, asha, ben, document
        self.version = document.current.ref

    async def share(self, max_uses: int | None = None, **changes: object) -> Grant:
        terms: dict[str, object] = {
            "resource": ResourceRef(kind=ResourceKind.DOCUMENT, id=self.document.id),
            "actions": frozenset({Action.READ}),
            "purpose": CARE,
            "not_before": None,
            "expires_at": datetime.now(UTC) + timedelta(days=1),
            "max_uses": max_uses,
        }
        give = self.container.give_grant()
        return await give(
            caller=self.asha,
            grantee=self.ben.person_id,
            terms=Terms(**(terms | changes)),  # type: ignore[arg-type]
        )

    async def read(self, caller: Caller, purpose: Purpose = CARE) -> bytes:
        read = self.container.read_content()
        content = await read(caller=caller, document_id=self.document.id, purpose=purpose)
        return b"".join([piece async for piece in content.read(0, content.length)])

    async def withdraw(self, grant: Grant) -> None:
        await self.container.withdraw_consent()(caller=self.asha, consent_id=grant.consent_id)

    async def events(self, of_type: str) -> int:
        return await self.count(f"SELECT count(*) FROM audit_events WHERE type = '{of_type}'")

    async def count(self, statement: str) -> int:
        async with transaction(self.container.engine(), self.asha.tenant_id) as connection:
            counted: int = (await connection.execute(text(statement))).scalar_one()
            return counted


async def scene_of(container: Container, tenant_id: TenantId, caller_in: CallerIn) -> Scene:
    asha, ben = await caller_in(tenant_id), await caller_in(tenant_id)
    document = await add_text(container, asha, "The rent is 1,250 euros a month.", "Lease")
    return Scene(container, asha, ben, document)


@pytest.fixture
async def scene(container: Container, tenant_id: TenantId, caller_in: CallerIn) -> Scene:
    return await scene_of(container, tenant_id, caller_in)


@pytest.fixture
async def administrator(database: Database) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
    connection = await database.connect("postgres")

    async def execute(statement: str) -> None:
        await connection.execute(statement)

    yield execute
    await connection.close()


async def test_an_owner_reads_and_it_is_recorded(scene: Scene) -> None:
    assert await scene.read(scene.asha) == b"The rent is 1,250 euros a month."
    assert await scene.events("release") == 1


async def test_a_stranger_finds_nothing_and_the_attempt_is_recorded(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await scene.read(scene.ben)
    assert (await scene.events("release"), await scene.events("denial")) == (0, 1)


async def test_what_does_not_exist_is_refused_along_the_same_path(scene: Scene) -> None:
    resources = (
        "SELECT count(*) FROM audit_events e JOIN audit_resources r"
        " ON r.tenant_id = e.tenant_id AND r.event_id = e.id WHERE e.type = 'denial'"
    )
    with pytest.raises(NotFound):
        await scene.read(scene.ben)
    assert await scene.count(resources) == 1
    missing = VersionRef(document_id=DocumentId(uuid7()), version=1)
    with pytest.raises(NotFound):
        await scene.container.gate()(
            caller=scene.ben, action=Action.READ, purpose=CARE, versions=[missing]
        )
    assert await scene.events("denial") == await scene.count(resources) == 2


async def test_a_grant_opens_for_its_purpose_alone(scene: Scene) -> None:
    await scene.share()
    assert await scene.read(scene.ben) == b"The rent is 1,250 euros a month."
    with pytest.raises(NotFound):
        await scene.read(scene.ben, Purpose("research"))


async def test_nothing_is_read_after_a_withdrawal_was_acknowledged(scene: Scene) -> None:
    grant = await scene.share()
    await scene.read(scene.ben)
    await scene.withdraw(grant)
    with pytest.raises(NotFound):
        await scene.read(scene.ben)
    with pytest.raises(GrantAlreadyRevoked):
        await scene.container.revoke_grant()(caller=scene.asha, grant_id=grant.id)


async def test_a_grant_that_is_over_opens_nothing(scene: Scene) -> None:
    soon = datetime.now(UTC) + timedelta(milliseconds=600)
    await scene.share(expires_at=soon)
    await scene.read(scene.ben)
    await asyncio.sleep(0.7)
    with pytest.raises(NotFound):
        await scene.read(scene.ben)


@pytest.mark.parametrize("uses", [1, 5])
async def test_a_grant_for_some_uses_opens_exactly_that_often(scene: Scene, uses: int) -> None:
    await scene.share(max_uses=uses)
    answers = await asyncio.gather(
        *(scene.read(scene.ben) for _ in range(20)), return_exceptions=True
    )
    opened = [answer for answer in answers if isinstance(answer, bytes)]
    refused = [answer for answer in answers if isinstance(answer, NotFound)]
    assert (len(opened), len(refused)) == (uses, 20 - uses)
    assert await scene.events("release") == uses
    assert await scene.count("SELECT uses_left FROM grants") == 0


async def test_a_withdrawal_waits_for_readers_and_stops_those_that_come_later(
    scene: Scene,
) -> None:
    """Readers race a withdrawal: whatever was released, was released before it was answered."""
    grant = await scene.share()
    stop = asyncio.Event()
    late = 0

    async def keep_reading() -> None:
        nonlocal late
        while not stop.is_set():
            withdrawn = acknowledged.is_set()
            try:
                await scene.read(scene.ben)
            except NotFound:
                continue
            late += withdrawn

    acknowledged = asyncio.Event()
    readers = [asyncio.create_task(keep_reading()) for _ in range(6)]
    async with asyncio.timeout(10):
        while await scene.events("release") < 6:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await scene.withdraw(grant)
    acknowledged.set()
    await asyncio.sleep(0.3)
    stop.set()
    await asyncio.gather(*readers)
    assert late == 0
    after = """
        SELECT count(*) FROM audit_events e, grants g
        WHERE e.type = 'release' AND e.at > g.revoked_at
    """
    assert await scene.count(after) == 0


@asynccontextmanager
async def releasing(
    scene: Scene, caller: Caller, *, together: bool = False
) -> AsyncIterator[ReleaseId]:
    """A release, or a denial, that was written and is not committed before this ends.

    `together`: as those of several readers are written.
    """
    releases = scene.container.releases()
    sealing = await releases.evidence.sealing(caller)
    async with driver_transaction(scene.container.engine(), caller) as driver:

        async def record_together(values: Values) -> bool:
            (is_written,) = await record_on(driver, [values]) if together else (False,)
            assert is_written is together
            return is_written

        attempt = PostgresReleaseAttempt(
            driver=driver, caller=caller, sealing=sealing, record_together=record_together
        )
        yield await record(attempt, scene, caller, await attempt.ask([scene.version]))


async def waits_for_a_lock(scene: Scene, change: asyncio.Task[Any]) -> bool:
    """Once it does; False where it is done without. A slow one is not taken for one that waits."""
    async with asyncio.timeout(4):
        while not change.done():
            if await scene.count("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                return True
    return False


async def record(
    attempt: ReleaseAttempt, scene: Scene, caller: Caller, asked: Sequence[AskedVersion]
) -> ReleaseId:
    """Decide on what was asked, however long ago, and record it."""
    release_id, (about,) = ReleaseId(uuid7()), asked
    request = AccessRequest(
        person_id=caller.person_id,
        action=Action.READ,
        purpose=CARE,
        version=about.version,
        owner_id=about.owner_id,
        collections=about.collections,
    )
    decided = Decided(decision=decide(request, about.grants, about.at), evidence={})
    await attempt.record(
        release_id,
        action=Action.READ,
        purpose=CARE,
        at=about.at,
        decided={about.version: decided},
    )
    return release_id


@pytest.mark.parametrize("together", [False, True])
async def test_a_withdrawal_is_not_acknowledged_while_a_release_is_written(
    scene: Scene, together: bool
) -> None:
    grant = await scene.share()
    async with releasing(scene, scene.ben, together=together):
        withdrawal = asyncio.create_task(scene.withdraw(grant))
        assert await waits_for_a_lock(scene, withdrawal)
    await withdrawal
    assert await scene.events("release") == 1


async def test_readers_do_not_wait_for_each_other(scene: Scene) -> None:
    await scene.share()
    async with releasing(scene, scene.ben), asyncio.timeout(3):
        assert await scene.read(scene.ben)


async def _withdraw(scene: Scene) -> Callable[[], Awaitable[object]]:
    grant = await scene.share()
    return lambda: scene.withdraw(grant)


async def _erase(scene: Scene) -> Callable[[], Awaitable[object]]:
    await scene.share()
    erase = scene.container.erase_document()
    return lambda: erase(caller=scene.asha, document_id=scene.document.id)


async def _take_out(scene: Scene) -> Callable[[], Awaitable[object]]:
    collection = await scene.container.add_collection()(caller=scene.asha, title="Flat")
    where = {"caller": scene.asha, "collection_id": collection, "document_id": scene.document.id}
    await scene.container.put_in_collection()(**where)
    await scene.share(resource=ResourceRef(kind=ResourceKind.COLLECTION, id=collection))
    take_out = scene.container.take_from_collection()
    return lambda: take_out(**where)


async def _use_up(scene: Scene) -> Callable[[], Awaitable[object]]:
    await scene.share(max_uses=1)
    return lambda: scene.read(scene.ben)


async def _let_expire(scene: Scene) -> Callable[[], Awaitable[object]]:
    await scene.share(expires_at=datetime.now(UTC) + timedelta(milliseconds=600))
    return lambda: asyncio.sleep(0.7)


@pytest.mark.parametrize("of", [_withdraw, _erase, _take_out, _use_up, _let_expire])
async def test_what_changes_between_asking_and_releasing_is_not_released(
    scene: Scene, of: Callable[[Scene], Awaitable[Callable[[], Awaitable[object]]]]
) -> None:
    """Nothing is locked while it is decided: the statement that writes makes sure of it."""
    change = await of(scene)
    async with scene.container.releases().begin(scene.ben) as attempt:
        asked = await attempt.ask([scene.version])
        await change()
        before = await scene.events("release")
        with pytest.raises(Outdated):
            await record(attempt, scene, scene.ben, asked)
    assert await scene.events("release") == before
    with pytest.raises(NotFound):
        await scene.read(scene.ben)
    assert await scene.events("release") == before


async def _released(scene: Scene) -> ReleaseId:
    gate = scene.container.release_content()
    release = await gate(
        caller=scene.asha, action=Action.READ, purpose=CARE, versions=[scene.version]
    )
    return release.id


async def test_a_release_opens_its_keys_once(scene: Scene) -> None:
    release_id = await _released(scene)
    with pytest.raises(Unavailable) as refused:
        await scene.container.releases().take_keys(scene.asha, release_id)
    assert "audit_takes" in str(refused.value.__cause__)


async def test_nobody_else_takes_the_keys_of_a_release(scene: Scene) -> None:
    async with releasing(scene, scene.asha) as release_id:
        pass
    with pytest.raises(Unavailable) as refused:
        await scene.container.releases().take_keys(scene.ben, release_id)
    assert "no committed release" in str(refused.value.__cause__)
    assert await scene.container.releases().take_keys(scene.asha, release_id)


_EVENT = """
    INSERT INTO audit_events (tenant_id, id, type, at, actor_id {columns})
    VALUES (:tenant, :event, 'release', {at}, :person {values})
"""
_RESOURCE = """
    INSERT INTO audit_resources (tenant_id, event_id, document_id, version)
    VALUES (:tenant, :event, :document, 1)
"""


@pytest.mark.parametrize(
    ("columns", "values", "at", "refusal"),
    [
        ("", "", "clock_timestamp()", "no committed release"),
        (", transaction_id", ", '3'", "clock_timestamp()", "permission denied"),
    ],
    ids=["in the same transaction", "with a forged transaction"],
)
async def test_keys_are_not_to_be_had_before_the_release_is_committed(
    scene: Scene, columns: str, values: str, at: str, refusal: str
) -> None:
    names = {
        "tenant": scene.asha.tenant_id,
        "person": scene.asha.person_id,
        "event": uuid7(),
        "document": scene.document.id,
    }

    async def take_early() -> None:
        async with transaction(
            scene.container.engine(), scene.asha.tenant_id, scene.asha.person_id
        ) as connection:
            event = _EVENT.format(columns=columns, values=values, at=at)
            await connection.execute(text(event), names)
            await connection.execute(text(_RESOURCE), names)
            await connection.execute(text("SELECT * FROM take_deks(:event)"), names)

    with pytest.raises(DBAPIError, match=refusal):
        await take_early()


@pytest.mark.parametrize(
    "at", ["clock_timestamp() - interval '31 s'", "clock_timestamp() + interval '9 s'"]
)
async def test_a_release_holds_for_thirty_seconds_and_not_in_advance(scene: Scene, at: str) -> None:
    release_id = uuid7()
    names = {
        "tenant": scene.asha.tenant_id,
        "person": scene.asha.person_id,
        "event": release_id,
        "document": scene.document.id,
    }
    async with transaction(
        scene.container.engine(), scene.asha.tenant_id, scene.asha.person_id
    ) as connection:
        await connection.execute(text(_EVENT.format(columns="", values="", at=at)), names)
        await connection.execute(text(_RESOURCE), names)
    with pytest.raises(Unavailable) as refused:
        await scene.container.releases().take_keys(scene.asha, ReleaseId(release_id))
    assert "no committed release" in str(refused.value.__cause__)


async def test_nothing_is_added_to_a_release_afterwards(scene: Scene, container: Container) -> None:
    other = await add_text(container, scene.asha, "Another secret.", "Other")
    async with releasing(scene, scene.asha) as release_id:
        pass
    names = {"tenant": scene.asha.tenant_id, "event": release_id, "document": other.id}
    async with transaction(
        container.engine(), scene.asha.tenant_id, scene.asha.person_id
    ) as connection:
        await connection.execute(text(_RESOURCE), names)
        rows = (await connection.execute(text("SELECT * FROM take_deks(:event)"), names)).all()
    assert {UUID(str(row.document_id)) for row in rows} == {scene.document.id}


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("reader", ["its owner", "a grantee", "a stranger"])
async def test_an_erasure_waits_for_what_is_being_logged_and_leaves_nothing_of_it(
    scene: Scene, container: Container, caller_in: CallerIn, reader: str, together: bool
) -> None:
    """What is not committed cannot be deleted: it would stay, and the receipt would deny it."""
    await scene.share()
    stranger = await caller_in(scene.asha.tenant_id)
    who = {"its owner": scene.asha, "a grantee": scene.ben, "a stranger": stranger}[reader]
    erase = container.erase_document()
    async with releasing(scene, who, together=together):
        erasing = asyncio.create_task(erase(caller=scene.asha, document_id=scene.document.id))
        assert await waits_for_a_lock(scene, erasing)
    receipt = await erasing
    assert not any(receipt.erasure.residue.values()), receipt.erasure.residue
    left = await scene.count(
        "SELECT count(*) FROM audit_openings o JOIN audit_events e ON e.tenant_id = o.tenant_id"
        f" AND e.id = o.event_id WHERE o.document_id = '{scene.document.id}'"
        " AND e.type <> 'key_destroyed'"
    )
    assert left == 0


async def test_an_erasure_waits_for_what_is_being_granted_and_ends_it(
    scene: Scene, container: Container
) -> None:
    terms = Terms(
        resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=scene.document.id),
        actions=frozenset({Action.READ}),
        purpose=CARE,
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    erase = container.erase_document()
    async with container.consents().begin(scene.asha) as tx:
        ben = await tx.party(scene.ben.person_id)
        assert ben is not None
        grant_id = GrantId(uuid7())
        await container.give_grant().within(
            tx, scene.asha, grantee=ben, terms=terms, parent_id=None, grant_id=grant_id
        )
        erasing = asyncio.create_task(erase(caller=scene.asha, document_id=scene.document.id))
        await asyncio.wait({erasing}, timeout=0.3)
        assert not erasing.done()
    receipt = await erasing
    assert receipt.erasure.destroyed["grants_closed"] == 1
    assert not any(receipt.erasure.residue.values()), receipt.erasure.residue
    still = f"SELECT count(*) FROM grants WHERE id = '{grant_id}' AND revoked_at IS NULL"
    assert await scene.count(still) == 0


async def test_another_tenant_takes_nothing(
    scene: Scene, database: Database, caller_in: CallerIn
) -> None:
    stranger = await caller_in(await new_tenant(database))
    with pytest.raises(NotFound):
        await scene.read(stranger)


async def test_an_audit_that_fails_discloses_nothing(
    scene: Scene, administrator: Callable[[str], Awaitable[None]]
) -> None:
    await administrator("REVOKE INSERT ON audit_resources FROM strongroom_app")
    try:
        for _ in range(20):
            with pytest.raises(Unavailable):
                await scene.read(scene.asha)
    finally:
        await administrator(
            "GRANT INSERT (tenant_id, event_id, document_id, version, grant_id, grant_epoch,"
            " consent_id, commitment, evidence_commitment) ON audit_resources TO strongroom_app"
        )
    assert await scene.events("release") == 0
    assert await scene.read(scene.asha)


async def test_an_audit_that_hangs_discloses_nothing_and_is_bounded(
    scene: Scene, database: Database
) -> None:
    gate = scene.container.release_content()
    object.__setattr__(gate, "gate_seconds_max", 0.5)
    connection = await database.connect("postgres")
    try:
        async with connection.transaction():
            await connection.execute("LOCK TABLE audit_events IN ACCESS EXCLUSIVE MODE")
            started = asyncio.get_running_loop().time()
            with pytest.raises(Unavailable):
                await scene.read(scene.asha)
            assert asyncio.get_running_loop().time() - started < 3
    finally:
        object.__setattr__(gate, "gate_seconds_max", 5.0)
        await connection.close()
    assert await scene.read(scene.asha)


async def test_what_was_erased_cannot_be_read_and_leaves_no_key(scene: Scene) -> None:
    await scene.share()
    receipt = await scene.container.erase_document()(
        caller=scene.asha, document_id=scene.document.id
    )
    assert set(receipt.erasure.residue.values()) == {0}
    assert receipt.erasure.destroyed["grants_closed"] == 1
    for caller in (scene.asha, scene.ben):
        with pytest.raises(NotFound):
            await scene.read(caller)
    keys = f"SELECT count(*) FROM data_keys WHERE resource_id = '{scene.document.id}'"
    assert await scene.count(keys) == 0
    assert await scene.count("SELECT count(*) FROM blob_parts") == 0
    state = "SELECT count(*) FROM consent_events WHERE event_state = 'invalidated'"
    assert await scene.count(state) == 1
