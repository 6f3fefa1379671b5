"""Service clients, and the hashes of their secrets."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, delete, exists, func, insert, or_, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import record_event
from adapters.postgres.engine import present_time, transaction
from adapters.postgres.evidence import PostgresEvidence, Sealing
from adapters.postgres.idempotency import claim
from adapters.postgres.tables import client_secrets, people, service_clients
from application.ports import Idempotency, NewId
from domain.accounts.person import DisplayName
from domain.accounts.service_client import ServiceClient
from domain.identity import Caller, PersonId, Role, TenantId

_ONE_AT_A_TIME = text("SELECT pg_advisory_xact_lock(hashtextextended('clients:' || :tenant, 0))")
_IN_FORCE = (
    service_clients.c.revoked_at.is_(None),
    service_clients.c.expires_at > func.clock_timestamp(),
)
IN_FORCE = exists().where(
    service_clients.c.tenant_id == people.c.tenant_id,
    service_clients.c.id == people.c.id,
    *_IN_FORCE,
)
"""Of a row of `people` that is a client's: that it is not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServiceClients:
    """`ServiceClients`."""

    engine: AsyncEngine
    evidence: PostgresEvidence
    new_id: NewId

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresServiceClientsTransaction]:
        sealing = await self.evidence.sealing(caller)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            yield PostgresServiceClientsTransaction(
                connection=connection, caller=caller, sealing=sealing, new_id=self.new_id
            )

    async def of_tenant(
        self, caller: Caller, *, after: PersonId | None, limit: int
    ) -> Sequence[ServiceClient]:
        page = _clients(caller.tenant_id).order_by(service_clients.c.id).limit(limit)
        if after is not None:
            page = page.where(service_clients.c.id > after)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return [_client_of(row) for row in await connection.execute(page)]

    async def authenticated(
        self, tenant_id: TenantId, client_id: PersonId, secret_hash: bytes
    ) -> ServiceClient | None:
        at = func.clock_timestamp()
        used = (
            update(service_clients)
            .where(
                service_clients.c.tenant_id == tenant_id,
                service_clients.c.id == client_id,
                *_IN_FORCE,
                exists().where(
                    client_secrets.c.tenant_id == tenant_id,
                    client_secrets.c.client_id == client_id,
                    client_secrets.c.secret_hash == secret_hash,
                    or_(client_secrets.c.expires_at.is_(None), client_secrets.c.expires_at > at),
                ),
            )
            .values(last_used_at=at)
            .returning(service_clients.c.id)
        )
        async with transaction(self.engine, tenant_id) as connection:
            if (await connection.execute(used)).one_or_none() is None:
                return None
            one = _clients(tenant_id).where(service_clients.c.id == client_id)
            return _client_of((await connection.execute(one)).one())

    async def is_in_force(self, tenant_id: TenantId, client_id: PersonId) -> bool:
        one = select(service_clients.c.id).where(
            service_clients.c.tenant_id == tenant_id, service_clients.c.id == client_id, *_IN_FORCE
        )
        async with transaction(self.engine, tenant_id) as connection:
            return (await connection.execute(one)).one_or_none() is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServiceClientsTransaction:
    """`ServiceClientsTransaction` on one open transaction."""

    connection: AsyncConnection
    caller: Caller
    sealing: Sealing
    new_id: NewId

    async def now(self) -> datetime:
        return await present_time(self.connection)

    async def claim(self, idempotency: Idempotency | None, resource: UUID) -> UUID:
        return await claim(self.connection, self.caller, idempotency, resource)

    async def find(self, client_id: PersonId, *, lock: bool = False) -> ServiceClient | None:
        one = _clients(self.caller.tenant_id).where(service_clients.c.id == client_id)
        if lock:
            one = one.with_for_update(of=service_clients)
        row = (await self.connection.execute(one)).one_or_none()
        return None if row is None else _client_of(row)

    async def in_force(self) -> int:
        tenant_id = self.caller.tenant_id
        await self.connection.execute(_ONE_AT_A_TIME, {"tenant": str(tenant_id)})
        counted = select(func.count()).where(service_clients.c.tenant_id == tenant_id, *_IN_FORCE)
        return int((await self.connection.execute(counted)).scalar_one())

    async def add(self, client: ServiceClient, secret_hash: bytes) -> None:
        tenant_id = self.caller.tenant_id
        await self.connection.execute(
            insert(people).values(
                tenant_id=tenant_id,
                id=client.id,
                email=f"{client.id}@client.invalid",  # no address: RFC 2606
                display_name=client.name,
                password_hash="-",  # noqa: S106 - none that a password could have
                role=client.role,
                kind="client",
            )
        )
        await self.connection.execute(
            insert(service_clients).values(
                tenant_id=tenant_id,
                id=client.id,
                created_by=client.created_by,
                created_at=client.created_at,
                expires_at=client.expires_at,
            )
        )
        await self._add_secret(client, secret_hash)
        await self._record(
            "service_client_made",
            client,
            {
                "name": client.name,
                "role": client.role.value,
                "expires_at": client.expires_at.isoformat(),
            },
        )

    async def replace_secret(
        self, client: ServiceClient, secret_hash: bytes, former_until: datetime
    ) -> None:
        own = and_(
            client_secrets.c.tenant_id == self.caller.tenant_id,
            client_secrets.c.client_id == client.id,
        )
        # Whoever still had an end of its own has been replaced twice.
        ended = delete(client_secrets).where(own, client_secrets.c.expires_at.is_not(None))
        await self.connection.execute(ended)
        await self.connection.execute(
            update(client_secrets).where(own).values(expires_at=former_until)
        )
        await self._add_secret(client, secret_hash)
        body = {"former_secret_until": former_until.isoformat()}
        await self._record("service_client_secret_replaced", client, body)

    async def revoke(self, client: ServiceClient) -> ServiceClient:
        revoked = await self.connection.execute(
            update(service_clients)
            .where(
                service_clients.c.tenant_id == self.caller.tenant_id,
                service_clients.c.id == client.id,
            )
            .values(revoked_at=func.clock_timestamp())
            .returning(service_clients.c.revoked_at)
        )
        await self._record("service_client_revoked", client, {})
        return replace(client, revoked_at=revoked.scalar_one())

    async def give_up(self, client: ServiceClient) -> None:
        if client.revoked_at is None:
            await self.revoke(client)
        await self.connection.execute(
            delete(client_secrets).where(
                client_secrets.c.tenant_id == self.caller.tenant_id,
                client_secrets.c.client_id == client.id,
            )
        )
        await self._record("service_client_erased", client, {})

    async def _add_secret(self, client: ServiceClient, secret_hash: bytes) -> None:
        await self.connection.execute(
            insert(client_secrets).values(
                tenant_id=self.caller.tenant_id, secret_hash=secret_hash, client_id=client.id
            )
        )

    async def _record(self, type_: str, client: ServiceClient, body: Mapping[str, object]) -> None:
        await record_event(
            self.connection,
            self.caller,
            self.sealing,
            event_id=self.new_id(),
            type=type_,
            at=None,
            body={"client_id": str(client.id), **body},
        )


def _clients(tenant_id: TenantId) -> Select[Any]:
    return (
        select(
            service_clients.c.id,
            service_clients.c.created_by,
            service_clients.c.created_at,
            service_clients.c.expires_at,
            service_clients.c.revoked_at,
            service_clients.c.last_used_at,
            people.c.display_name,
            people.c.role,
        )
        .join(
            people,
            and_(
                people.c.tenant_id == service_clients.c.tenant_id,
                people.c.id == service_clients.c.id,
            ),
        )
        .where(service_clients.c.tenant_id == tenant_id, people.c.erased_at.is_(None))
    )


def _client_of(row: Any) -> ServiceClient:
    return ServiceClient(
        id=PersonId(row.id),
        name=DisplayName(row.display_name),
        role=Role(row.role),
        created_by=PersonId(row.created_by),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked_at=row.revoked_at,
        last_used_at=row.last_used_at,
    )
