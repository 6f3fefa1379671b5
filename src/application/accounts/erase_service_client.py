"""Erase a service client with all that it has: for administrators, who see nothing of it."""

from __future__ import annotations

from dataclasses import dataclass

from application.accounts.erase_account import AccountErasure, ErasePrincipal
from application.accounts.service_clients import ServiceClients
from domain.accounts.service_client import ServiceClientNotFound, ServiceClientsAreForAdministrators
from domain.identity import Caller, PersonId, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseServiceClient:
    """Nobody signs in as a program to have the last word on what it stored. What others shared with
    it is theirs, and stays with them."""

    clients: ServiceClients
    erase: ErasePrincipal

    async def __call__(self, *, caller: Caller, client_id: PersonId) -> AccountErasure:
        """Nothing that it is about to store gets in between: it is revoked before. Cut off there,
        it can be repeated.

        Raises ServiceClientsAreForAdministrators, and ServiceClientNotFound, also for one that was
        erased.
        """
        if caller.role is not Role.ADMIN:
            raise ServiceClientsAreForAdministrators
        async with self.clients.begin(caller) as tx:
            client = await tx.find(client_id, lock=True)
            if client is None:
                raise ServiceClientNotFound
            await tx.give_up(client)
        whose = Caller(tenant_id=caller.tenant_id, person_id=client.id, role=client.role)
        erased = await self.erase(whose=whose, issued_to=caller.person_id)
        if erased is None:
            raise ServiceClientNotFound
        return erased
