"""Make a service client, look at it, give it another secret, end it: for administrators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from application.accounts.service_clients import ClientSecrets, ServiceClients
from application.ports import EndingsKept, Idempotency, NewId
from domain.accounts.service_client import (
    CLIENTS_MAX,
    ServiceClient,
    ServiceClientNotFound,
    ServiceClientOver,
    ServiceClientsAreForAdministrators,
    TooManyServiceClients,
    client_name,
)
from domain.identity import Caller, PersonId, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretTold:
    """A service client, and its new secret, which is not kept: None where the request came before.

    Whoever lost the answer gives the client another secret.
    """

    client: ServiceClient
    secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeServiceClient:
    """A principal of its own. It has no rights before somebody shares something with it, and is no
    administrator unless that is said."""

    clients: ServiceClients
    secrets: ClientSecrets
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        name: str,
        role: Role,
        expires_at: datetime,
        idempotency: Idempotency | None,
    ) -> SecretTold:
        """Raises ServiceClientsAreForAdministrators, DisplayNameNotValid, ServiceClientMustEnd,
        TooManyServiceClients."""
        _assert_administrator(caller)
        shown, secret = client_name(name), await self.secrets.new(caller.tenant_id)
        fresh = PersonId(self.new_id())
        async with self.clients.begin(caller) as tx:
            claimed = PersonId(await tx.claim(idempotency, fresh))
            if claimed == fresh:
                client = ServiceClient(
                    id=fresh,
                    name=shown,
                    role=role,
                    created_by=caller.person_id,
                    created_at=await tx.now(),
                    expires_at=expires_at,
                )
                if await tx.in_force() >= CLIENTS_MAX:
                    raise TooManyServiceClients
                await tx.add(client, secret.hash)
                return SecretTold(client=client, secret=secret.text)
            earlier = await tx.find(claimed)
        if earlier is None:
            raise ServiceClientNotFound
        return SecretTold(client=earlier, secret=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateClientSecret:
    """A new secret in place of the old one, which may be good for a while yet: programs that run on
    several machines are told one after the other."""

    clients: ServiceClients
    secrets: ClientSecrets
    endings_kept: EndingsKept
    new_id: NewId

    async def __call__(
        self,
        *,
        caller: Caller,
        client_id: PersonId,
        overlap: timedelta,
        idempotency: Idempotency | None,
    ) -> SecretTold:
        """Raises ServiceClientsAreForAdministrators, ServiceClientNotFound, ServiceClientOver."""
        _assert_administrator(caller)
        secret, fresh = await self.secrets.new(caller.tenant_id), self.new_id()
        async with self.clients.begin(caller) as tx:
            is_repeat = await tx.claim(idempotency, fresh) != fresh
            client = await tx.find(client_id, lock=not is_repeat)
            if client is None:
                raise ServiceClientNotFound
            if is_repeat:
                return SecretTold(client=client, secret=None)
            now = await tx.now()
            if not client.is_in_force(now):
                raise ServiceClientOver
            await tx.replace_secret(client, secret.hash, now + overlap)
        await self.endings_kept()
        return SecretTold(client=client, secret=secret.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevokeServiceClient:
    """No secret and no token of it works from the answer on. What it owns stays."""

    clients: ServiceClients
    endings_kept: EndingsKept

    async def __call__(self, *, caller: Caller, client_id: PersonId) -> ServiceClient:
        """Again is no harm. Raises ServiceClientsAreForAdministrators, ServiceClientNotFound."""
        _assert_administrator(caller)
        async with self.clients.begin(caller) as tx:
            client = await tx.find(client_id, lock=True)
            if client is None:
                raise ServiceClientNotFound
            revoked = client if client.revoked_at is not None else await tx.revoke(client)
        await self.endings_kept()
        return revoked


@dataclass(frozen=True, slots=True, kw_only=True)
class ListServiceClients:
    """Those that are over as well."""

    clients: ServiceClients

    async def __call__(
        self, *, caller: Caller, after: PersonId | None, limit: int
    ) -> Sequence[ServiceClient]:
        """In the order in which they were made. Raises ServiceClientsAreForAdministrators."""
        _assert_administrator(caller)
        return await self.clients.of_tenant(caller, after=after, limit=limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowServiceClient:
    """One of them."""

    clients: ServiceClients

    async def __call__(self, *, caller: Caller, client_id: PersonId) -> ServiceClient:
        """Raises ServiceClientsAreForAdministrators, ServiceClientNotFound."""
        _assert_administrator(caller)
        async with self.clients.begin(caller) as tx:
            client = await tx.find(client_id)
        if client is None:
            raise ServiceClientNotFound
        return client


def _assert_administrator(caller: Caller) -> None:
    if caller.role is not Role.ADMIN:
        raise ServiceClientsAreForAdministrators
