"""Keys get new versions while they are used, and the old ones end when nothing is under them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from adapters.postgres.engine import Database, transaction
from adapters.postgres.keykeeper import PostgresKeykeeper
from application.ports import Tampered
from application.vault.keykeeper import NothingToRotate
from domain.identity import PERSONAL_USE, Caller, TenantId
from domain.vault.document import Document
from entrypoints.container import Container
from tests.integration.conftest import add_text, new_tenant

CallerIn = Callable[[TenantId], Awaitable[Caller]]


@pytest.fixture
async def asha(tenant_id: TenantId, caller_in: CallerIn) -> Caller:
    return await caller_in(tenant_id)


@pytest.fixture
def keykeeper(container: Container) -> PostgresKeykeeper:
    keykeeper = container.keykeeper()
    assert isinstance(keykeeper, PostgresKeykeeper)
    return keykeeper


async def read(container: Container, caller: Caller, document: Document) -> bytes:
    content = await container.read_content()(
        caller=caller, document_id=document.id, purpose=PERSONAL_USE
    )
    return b"".join([piece async for piece in content.read(0, content.length)])


async def versions(container: Container, tenant_id: TenantId) -> Counter[tuple[str, int]]:
    """By key and version, but for the root key, which all tests share."""
    found = await container.keykeeper().versions(tenant_id)
    return Counter({(each.key, each.version): each.wraps for each in found if each.key != "root"})


async def logged(container: Container, tenant_id: TenantId) -> Counter[tuple[str, str, int]]:
    kinds = "SELECT e.type, b.body FROM audit_events e JOIN audit_bodies b ON b.event_id = e.id"
    async with transaction(container.engine(), tenant_id) as connection:
        rows = (await connection.execute(text(f"{kinds} WHERE e.type LIKE 'key_%'"))).all()
    return Counter((row.type, row.body["key"], row.body["version"]) for row in rows)


async def test_everything_is_read_before_between_and_after(
    container: Container, keykeeper: PostgresKeykeeper, asha: Caller, tenant_id: TenantId
) -> None:
    documents = [await add_text(container, asha, f"number {n}", f"N{n}") for n in range(3)]

    async def readable() -> bool:
        return [await read(container, asha, each) for each in documents] == [
            b"number %d" % n for n in range(len(documents))
        ]

    assert await keykeeper.rotate(tenant_id, asha.person_id) == 2
    assert await readable()
    documents.append(await add_text(container, asha, "number 3", "N3"))
    assert await keykeeper.rotate(tenant_id) == 2
    assert await readable()
    # Each of three documents has keys for content, title and evidence; Asha has one for hers.
    assert (await versions(container, tenant_id))["subject", 1] == 10
    assert await keykeeper.rewrap() == 2 + 10
    assert await versions(container, tenant_id) == {("tenant", 2): 1}
    assert await readable()
    assert await keykeeper.rewrap() == 0
    assert await logged(container, tenant_id) == {
        ("key_rotated", "subject", 2): 1,
        ("key_rotated", "tenant", 2): 1,
        ("key_destroyed", "subject", 1): 1,
        ("key_destroyed", "tenant", 1): 1,
    }


async def test_the_root_key_is_rotated_and_its_old_version_ends_after_a_grace(
    container: Container,
    keykeeper: PostgresKeykeeper,
    asha: Caller,
    tenant_id: TenantId,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = await add_text(container, asha, "under the root", "Root")
    service = container.key_service()
    before = await service.versions()
    now = 0.0
    monkeypatch.setattr(keykeeper.root, "clock", lambda: now)
    version = await keykeeper.rotate_root()
    assert await read(container, asha, document) == b"under the root"
    assert await keykeeper.rewrap() >= 1
    assert await keykeeper.rewrap() == 0
    assert await service.versions() == [*before, version]
    now = keykeeper.root.grace_seconds
    await keykeeper.rewrap()
    assert await service.versions() == [version]
    assert await read(container, asha, document) == b"under the root"
    told = await logged(container, tenant_id)
    assert told["key_rotated", "root", version] == 1
    assert told["key_destroyed", "root", before[-1]] == 1


async def test_a_version_is_not_destroyed_under_a_transaction_that_is_about_to_use_it(
    container: Container, keykeeper: PostgresKeykeeper, asha: Caller, tenant_id: TenantId
) -> None:
    await add_text(container, asha, "first", "First")
    async with transaction(container.engine(), tenant_id, asha.person_id) as connection:
        asked = {"subject": asha.person_id}
        hold = text("SELECT * FROM hold_subject_key(:subject)")
        held = (await connection.execute(hold, asked)).one()
        assert held.subject_key_version == 1
        await keykeeper.rotate(tenant_id, asha.person_id)
        await keykeeper.rewrap()
        assert (await versions(container, tenant_id))["subject", 1] == 0
        assert ("subject", 1) in await versions(container, tenant_id)
    await keykeeper.rewrap()
    assert ("subject", 1) not in await versions(container, tenant_id)


async def test_rotations_at_once_leave_one_active_version(
    container: Container, keykeeper: PostgresKeykeeper, asha: Caller, tenant_id: TenantId
) -> None:
    document = await add_text(container, asha, "contested", "Contested")
    subjects = (keykeeper.rotate(tenant_id, asha.person_id) for _ in range(4))
    tenants = (keykeeper.rotate(tenant_id) for _ in range(4))
    made = await asyncio.gather(*subjects, *tenants)
    assert sorted(made) == [2, 2, 3, 3, 4, 4, 5, 5]
    await asyncio.gather(*(keykeeper.rewrap() for _ in range(3)))
    await keykeeper.rewrap()
    assert await versions(container, tenant_id) == {("tenant", 5): 1}
    assert await read(container, asha, document) == b"contested"


async def test_there_is_nothing_to_rotate_where_nothing_was_stored(
    keykeeper: PostgresKeykeeper, asha: Caller, tenant_id: TenantId
) -> None:
    with pytest.raises(NothingToRotate):
        await keykeeper.rotate(tenant_id)
    with pytest.raises(NothingToRotate):
        await keykeeper.rotate(tenant_id, asha.person_id)


async def test_a_version_put_in_the_place_of_another_does_not_open_and_holds_up_nobody_else(
    container: Container,
    keykeeper: PostgresKeykeeper,
    database: Database,
    asha: Caller,
    tenant_id: TenantId,
    caller_in: CallerIn,
) -> None:
    """Or a key that became known could be made the active one again."""
    ben = await caller_in(await new_tenant(database))
    for caller in (asha, ben):
        await add_text(container, caller, "first", "First")
        await keykeeper.rotate(caller.tenant_id, caller.person_id)
    connection = await database.connect("postgres")
    try:
        await connection.execute(
            "UPDATE wrapping_keys n SET wrapped = o.wrapped FROM wrapping_keys o WHERE"
            " n.tenant_id = $1 AND o.tenant_id = $1 AND n.subject_id = $2 AND o.subject_id = $2"
            " AND n.version = 2 AND o.version = 1",
            tenant_id,
            asha.person_id,
        )
    finally:
        await connection.close()
    with pytest.raises(Tampered):
        await add_text(container, asha, "second", "Second")
    await keykeeper.rewrap()
    assert (await versions(container, asha.tenant_id))["subject", 1] == 4
    assert await versions(container, ben.tenant_id) == {("tenant", 1): 1}


@pytest.mark.parametrize("table", ["wrapping_keys", "data_keys"])
async def test_the_application_does_not_read_wrapped_keys(
    container: Container, tenant_id: TenantId, table: str
) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with transaction(container.engine(), tenant_id) as connection:
            await connection.execute(text(f"SELECT wrapped FROM {table}"))


_READABLE = text("""
    SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relnamespace = 'public'::regnamespace
      AND a.attnum > 0 AND has_column_privilege(c.oid, a.attnum, 'SELECT')
""")


async def test_the_keykeeper_reads_keys_and_nothing_else(container: Container) -> None:
    async with container.keykeeper_engine().connect() as connection:
        readable = (await connection.execute(_READABLE)).all()
        with pytest.raises(DBAPIError, match="permission denied"):
            await connection.execute(text("SELECT * FROM take_deks(gen_random_uuid())"))
    assert {row.relname for row in readable} == {"data_keys", "wrapping_keys"}
