"""Programs with an identity of their own: how they prove it, and how that ends."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.rate_limits import LimitReached, MemoryRateLimits
from adapters.postgres.engine import OWNER, Database, transaction
from adapters.postgres.tables import client_secrets
from application.accounts.grant_client_token import (
    CLIENT_PER_ADDRESS,
    TOKENS_PER_CLIENT,
    ClientToken,
)
from application.accounts.keep_service_clients import SecretTold
from application.ports import Idempotency
from domain.accounts.service_client import (
    CLIENTS_MAX,
    ClientNotAuthenticated,
    ServiceClientNotFound,
    ServiceClientOver,
    ServiceClientsAreForAdministrators,
    TooManyServiceClients,
)
from domain.accounts.session import AccessTokenNotValid
from domain.audit.ending import EndingKind
from domain.consent.link import LinkNotUsable
from domain.consent.terms import Terms
from domain.errors import KeyReused
from domain.identity import (
    Action,
    Caller,
    PersonId,
    Purpose,
    ResourceKind,
    ResourceRef,
    Role,
    TenantId,
)
from entrypoints.container import Container
from tests.integration.conftest import add_text, new_tenant

CallerIn = Callable[[TenantId], Awaitable[Caller]]
HERE = "192.0.2.7"
NO_OVERLAP = timedelta(0)


@pytest.fixture
async def admin(tenant_id: TenantId, caller_in: CallerIn) -> Caller:
    return replace(await caller_in(tenant_id), role=Role.ADMIN)


async def made(
    container: Container,
    admin: Caller,
    *,
    role: Role = Role.MEMBER,
    lasts: timedelta = timedelta(days=1),
    idempotency: Idempotency | None = None,
) -> SecretTold:
    return await container.make_service_client()(
        caller=admin,
        name="Nightly import",
        role=role,
        expires_at=datetime.now(UTC) + lasts,
        idempotency=idempotency,
    )


async def token(container: Container, client_id: object, secret: str | None) -> ClientToken:
    assert secret is not None
    grant = container.grant_client_token()
    return await grant(client_id=str(client_id), secret=secret, address=HERE)


async def replaced(
    container: Container,
    admin: Caller,
    client_id: PersonId,
    overlap: timedelta = NO_OVERLAP,
    idempotency: Idempotency | None = None,
) -> SecretTold:
    return await container.rotate_client_secret()(
        caller=admin, client_id=client_id, overlap=overlap, idempotency=idempotency
    )


async def revoked(container: Container, admin: Caller, client_id: PersonId) -> None:
    await container.revoke_service_client()(caller=admin, client_id=client_id)


async def ran_out(database: Database, tenant_id: TenantId) -> None:
    """The clients of a tenant, before their time: nobody who serves could say so."""
    connection = await database.connect(OWNER)
    try:
        await connection.execute("SELECT set_config('app.tenant', $1, false)", str(tenant_id))
        ended = "UPDATE service_clients SET expires_at = created_at + interval '1 microsecond'"
        assert await connection.execute(ended) == "UPDATE 1"
    finally:
        await connection.close()


async def events(engine: AsyncEngine, caller: Caller) -> list[str]:
    rows = text("SELECT type FROM audit_events WHERE tenant_id = :t ORDER BY id")
    async with transaction(engine, caller.tenant_id) as connection:
        return list((await connection.execute(rows, {"t": caller.tenant_id})).scalars())


async def test_a_client_is_a_principal_of_its_own_and_no_administrator_unless_that_is_said(
    engine: AsyncEngine, container: Container, admin: Caller
) -> None:
    told, ruling = await made(container, admin), await made(container, admin, role=Role.ADMIN)
    for each, role in ((told, Role.MEMBER), (ruling, Role.ADMIN)):
        given = await token(container, each.client.id, each.secret)
        authenticated = await container.access_tokens().verify(given.access_token)
        caller = authenticated.caller
        assert authenticated.is_client
        assert caller == Caller(tenant_id=admin.tenant_id, person_id=each.client.id, role=role)
        assert caller.person_id != admin.person_id
    used = await container.show_service_client()(caller=admin, client_id=told.client.id)
    assert told.client.last_used_at is None
    assert used.last_used_at is not None
    assert await events(engine, admin) == ["service_client_made"] * 2


async def test_whatever_is_wrong_is_one_refusal(
    engine: AsyncEngine, container: Container, database: Database, admin: Caller
) -> None:
    told, other = await made(container, admin), await made(container, admin)
    assert told.secret is not None
    foreign = replace(admin, tenant_id=await new_tenant(database))
    of_nobody = await container.client_secrets().new(admin.tenant_id)
    of_elsewhere = await container.client_secrets().new(foreign.tenant_id)
    for client_id, secret in (
        (told.client.id, other.secret),
        (told.client.id, of_nobody.text),
        (told.client.id, of_elsewhere.text),
        (told.client.id, told.secret[:-1]),
        (told.client.id, told.secret + "\0"),
        (told.client.id, ""),
        (uuid4(), told.secret),
        ("", told.secret),
        (str(told.client.id).upper(), told.secret),
        (f"{{{told.client.id}}}", told.secret),
        ("\0", told.secret),
    ):
        with pytest.raises(ClientNotAuthenticated):
            await token(container, client_id, secret)
    used = await container.show_service_client()(caller=admin, client_id=told.client.id)
    assert used.last_used_at is None


async def test_the_database_holds_nothing_that_a_secret_can_be_told_by(
    engine: AsyncEngine, container: Container, admin: Caller
) -> None:
    told = await made(container, admin)
    assert told.secret is not None
    async with transaction(engine, admin.tenant_id) as connection:
        rows = await connection.execute(
            client_secrets.select().where(client_secrets.c.client_id == told.client.id)
        )
        (kept,) = rows.all()
    read = await container.client_secrets().read(told.secret)
    assert read is not None
    assert kept.secret_hash == read.hash
    assert kept.secret_hash != hashlib.sha256(told.secret.encode()).digest()
    assert told.secret not in repr(told) + repr(kept) + repr(read)


async def test_no_token_and_no_secret_works_once_a_revocation_was_acknowledged(
    engine: AsyncEngine, container: Container, admin: Caller
) -> None:
    told = await made(container, admin)
    given = await token(container, told.client.id, told.secret)
    describe = container.introspect_token()
    assert (await describe(caller=admin, token=given.access_token)) is not None
    await revoked(container, admin, told.client.id)
    with pytest.raises(AccessTokenNotValid):
        await container.access_tokens().verify(given.access_token)
    assert await describe(caller=admin, token=given.access_token) is None
    with pytest.raises(ClientNotAuthenticated):
        await token(container, told.client.id, told.secret)
    with pytest.raises(ServiceClientOver):
        await replaced(container, admin, told.client.id)
    await revoked(container, admin, told.client.id)  # again is no harm, and not logged twice
    assert await events(engine, admin) == ["service_client_made", "service_client_revoked"]


@pytest.mark.parametrize("ended", ["revoked", "expired"])
async def test_what_a_client_handed_to_agents_and_behind_links_ends_with_it(
    container: Container, database: Database, admin: Caller, caller_in: CallerIn, ended: str
) -> None:
    """Whoever stole a secret could else go on under a token that they had the client exchange."""
    told = await made(container, admin)
    owner = await caller_in(admin.tenant_id)
    document = await add_text(container, owner, "A heron.", "Herons")
    about = ResourceRef(kind=ResourceKind.DOCUMENT, id=document.id)
    onward = frozenset({Action.READ, Action.SHARE})
    terms = Terms(
        resource=about,
        actions=onward,
        purpose=Purpose("care"),
        expires_at=datetime.now(UTC) + timedelta(hours=1),
    )
    grant = await container.give_grant()(caller=owner, grantee=told.client.id, terms=terms)
    client = Caller(tenant_id=admin.tenant_id, person_id=told.client.id)
    narrower = replace(terms, expires_at=terms.expires_at - timedelta(minutes=1))
    exchange, share = container.exchange_token(), container.share_by_link()
    agent = await exchange(caller=client, resource=about, actions=onward, parent_id=grant.id)
    its_own = await exchange(
        caller=Caller(tenant_id=admin.tenant_id, person_id=agent.grant.grantee_id),
        resource=about,
        actions=frozenset({Action.READ}),
        parent_id=agent.grant.id,
    )
    links = [
        (await share(caller=client, terms=narrower, parent_id=grant.id)).token for _ in range(2)
    ]
    of_owner = await exchange(caller=owner, resource=about, actions=onward, purpose=Purpose("care"))
    redeem, hold = container.redeem_link(), container.hold_grant_token()
    redeemed = await redeem(token=str(links[0]), pass_code=None, address=HERE)
    tokens = [agent.token, its_own.token, redeemed.token]
    assert None not in [await hold(each) for each in tokens]
    if ended == "revoked":
        await revoked(container, admin, told.client.id)
    else:
        await ran_out(database, admin.tenant_id)
    assert [await hold(each) for each in tokens] == [None] * 3
    with pytest.raises(LinkNotUsable):
        await redeem(token=str(links[1]), pass_code=None, address=HERE)
    assert await hold(of_owner.token) is not None


async def test_a_client_that_has_expired_is_nobody(container: Container, admin: Caller) -> None:
    told = await made(container, admin, lasts=timedelta(seconds=0.5))
    given = await token(container, told.client.id, told.secret)
    await asyncio.sleep(0.6)
    with pytest.raises(AccessTokenNotValid):
        await container.access_tokens().verify(given.access_token)
    with pytest.raises(ClientNotAuthenticated):
        await token(container, told.client.id, told.secret)


async def test_a_secret_is_replaced_at_once_or_after_a_while(
    container: Container, admin: Caller
) -> None:
    first = await made(container, admin)
    client_id = first.client.id
    second = await replaced(container, admin, client_id, timedelta(hours=1))
    for each in (first, second):
        await token(container, client_id, each.secret)
    third = await replaced(container, admin, client_id, timedelta(seconds=0.5))
    with pytest.raises(ClientNotAuthenticated):  # of those before only the last one has a while
        await token(container, client_id, first.secret)
    for each in (second, third):
        await token(container, client_id, each.secret)
    await asyncio.sleep(0.6)
    with pytest.raises(ClientNotAuthenticated):
        await token(container, client_id, second.secret)
    fourth = await replaced(container, admin, client_id)
    with pytest.raises(ClientNotAuthenticated):
        await token(container, client_id, third.secret)
    await token(container, client_id, fourth.secret)


async def test_a_repeated_request_makes_one_client_and_tells_no_secret_again(
    engine: AsyncEngine, container: Container, admin: Caller
) -> None:
    key = Idempotency(route="make", key="once", request_hash=b"1" * 32)
    at_once = await asyncio.gather(*(made(container, admin, idempotency=key) for _ in range(8)))
    assert len({told.client.id for told in at_once}) == 1
    secrets = [told.secret for told in at_once if told.secret is not None]
    assert len(secrets) == 1
    client_id = at_once[0].client.id
    again = replace(key, route="replace")
    new = [await replaced(container, admin, client_id, idempotency=again) for _ in range(2)]
    assert [told.secret is None for told in new] == [False, True]
    await token(container, client_id, new[0].secret)
    with pytest.raises(KeyReused):
        await made(container, admin, idempotency=replace(key, request_hash=b"2" * 32))
    assert await events(engine, admin) == [
        "service_client_made",
        "service_client_secret_replaced",
    ]


async def test_only_administrators_of_the_tenant_keep_its_clients(
    container: Container, database: Database, admin: Caller, caller_in: CallerIn
) -> None:
    told = await made(container, admin)
    other = replace(await caller_in(await new_tenant(database)), role=Role.ADMIN)
    list_ = container.list_service_clients()
    assert await list_(caller=other, after=None, limit=10) == []
    show = container.show_service_client()
    for act in (
        show(caller=other, client_id=told.client.id),
        revoked(container, other, told.client.id),
        replaced(container, other, told.client.id),
    ):
        with pytest.raises(ServiceClientNotFound):
            await act
    for role in (Role.MEMBER, Role.AUDITOR):
        someone = replace(admin, role=role)
        for act in (
            made(container, someone),
            show(caller=someone, client_id=told.client.id),
            list_(caller=someone, after=None, limit=10),
            revoked(container, someone, told.client.id),
            replaced(container, someone, told.client.id),
        ):
            with pytest.raises(ServiceClientsAreForAdministrators):
                await act
    await token(container, told.client.id, told.secret)


async def test_a_tenant_has_a_bounded_number_of_clients(
    engine: AsyncEngine, container: Container, admin: Caller
) -> None:
    told = await made(container, admin)
    many = text(
        "WITH ids AS (SELECT gen_random_uuid() AS id FROM generate_series(1, :count)),"
        " named AS (INSERT INTO people"
        "   (tenant_id, id, email, display_name, password_hash, role, kind)"
        "   SELECT :tenant, id, id || '@client.invalid', 'Many', '-', 'member', 'client' FROM ids)"
        " INSERT INTO service_clients (tenant_id, id, created_by, created_at, expires_at)"
        " SELECT :tenant, id, :admin, now(), now() + interval '1 day' FROM ids"
    )
    asked = {"tenant": admin.tenant_id, "admin": admin.person_id, "count": CLIENTS_MAX - 2}
    async with transaction(engine, admin.tenant_id) as connection:
        await connection.execute(many, asked)
    ended = await asyncio.gather(
        *(made(container, admin) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(each, TooManyServiceClients) for each in ended) == 3
    await revoked(container, admin, told.client.id)
    await made(container, admin)


async def test_a_stranger_cannot_use_up_what_a_client_may_have(
    container: Container, admin: Caller
) -> None:
    told = await made(container, admin)
    assert told.secret is not None
    rates = {CLIENT_PER_ADDRESS: "5/hour", TOKENS_PER_CLIENT: "2/hour"}
    grant = replace(container.grant_client_token(), limits=MemoryRateLimits(rates))
    of_nobody = (await container.client_secrets().new(admin.tenant_id)).text
    client_id = str(told.client.id)
    for _ in range(5):
        with pytest.raises(ClientNotAuthenticated):
            await grant(client_id=client_id, secret=of_nobody, address="198.51.100.1")
    with pytest.raises(LimitReached):
        await grant(client_id=client_id, secret=told.secret, address="198.51.100.1")
    for _ in range(2):
        await grant(client_id=client_id, secret=told.secret, address=HERE)
    with pytest.raises(LimitReached):
        await grant(client_id=client_id, secret=told.secret, address=HERE)


async def test_what_ended_does_not_come_back_with_a_backup(
    engine: AsyncEngine, container: Container, admin: Caller
) -> None:
    """As the fence replays it: on rows as they were before."""
    first = await made(container, admin)
    client_id = first.client.id
    second = await replaced(container, admin, client_id, timedelta(hours=1))
    await revoked(container, admin, client_id)
    found = (await container.endings().since(0)).endings
    secret, client = [each for each in found if each.tenant_id == admin.tenant_id]
    assert (secret.kind, client.kind) == (EndingKind.CLIENT_SECRET, EndingKind.CLIENT)
    async with transaction(engine, admin.tenant_id) as connection:
        for restored in (
            "UPDATE service_clients SET revoked_at = NULL WHERE tenant_id = :t",
            "UPDATE client_secrets SET expires_at = NULL WHERE tenant_id = :t",
        ):
            await connection.execute(text(restored), {"t": admin.tenant_id})
    for each in (first, second):
        await token(container, client_id, each.secret)
    await container.spent_tokens().end(secret)
    with pytest.raises(ClientNotAuthenticated):
        await token(container, client_id, first.secret)
    await token(container, client_id, second.secret)
    await container.spent_tokens().end(client)
    with pytest.raises(ClientNotAuthenticated):
        await token(container, client_id, second.secret)
