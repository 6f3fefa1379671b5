"""Ports of service clients: who they are, and what they prove it with."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol
from uuid import UUID

from application.ports import Idempotency, NewToken, ReadToken
from domain.accounts.service_client import ServiceClient
from domain.identity import Caller, PersonId, TenantId


class ClientSecrets(Protocol):
    """Makes and reads client secrets; a secret names its tenant. What is kept of one is a hash
    under a key that is not in the database.

    Raises Unavailable where the key service does not answer.
    """

    async def new(self, tenant_id: TenantId) -> NewToken: ...

    async def read(self, text: str) -> ReadToken | None:
        """None for what nobody can have been given."""
        ...


class ServiceClientsTransaction(Protocol):
    """One transaction over the service clients of the caller's tenant; each change is logged with
    it. Raises Unavailable where it cannot be."""

    async def now(self) -> datetime: ...

    async def claim(self, idempotency: Idempotency | None, resource: UUID) -> UUID:
        """`resource`, or the one that this very request was about before."""
        ...

    async def find(self, client_id: PersonId, *, lock: bool = False) -> ServiceClient | None:
        """With `lock` nobody else changes it before this transaction is over."""
        ...

    async def in_force(self) -> int:
        """How many there are that are not over; nobody else adds one before this is."""
        ...

    async def add(self, client: ServiceClient, secret_hash: bytes) -> None: ...

    async def replace_secret(
        self, client: ServiceClient, secret_hash: bytes, former_until: datetime
    ) -> None:
        """Of the secrets that there were the newest is good until `former_until`, and no other."""
        ...

    async def revoke(self, client: ServiceClient) -> ServiceClient:
        """From now on it is nobody. Again is no harm."""
        ...

    async def give_up(self, client: ServiceClient) -> None:
        """Revoke it, if it is not, and forget its secrets: it is about to be erased."""
        ...


class ServiceClients(Protocol):
    """The service clients of all tenants, but for those that were erased."""

    def begin(self, caller: Caller) -> AbstractAsyncContextManager[ServiceClientsTransaction]: ...

    async def of_tenant(
        self, caller: Caller, *, after: PersonId | None, limit: int
    ) -> Sequence[ServiceClient]:
        """In the order in which they were made, from the one behind `after` on."""
        ...

    async def authenticated(
        self, tenant_id: TenantId, client_id: PersonId, secret_hash: bytes
    ) -> ServiceClient | None:
        """The client whose secret it is, and that it was used now; None unless both are good."""
        ...

    async def is_in_force(self, tenant_id: TenantId, client_id: PersonId) -> bool: ...
