"""Give a person a role. For operators: no route leads here."""

from __future__ import annotations

from dataclasses import dataclass

from application.accounts.ports import Accounts
from domain.accounts.email_address import email_address
from domain.accounts.person import Person, PersonUnknown
from domain.identity import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRole:
    """The new role is in tokens issued from now on; older ones keep the old one to their end."""

    accounts: Accounts

    async def __call__(self, *, tenant: str, email: str, role: Role) -> Person:
        """`tenant` is its name. Raises PersonUnknown, where the tenant is unknown as well."""
        known_email = email_address(email)
        found = await self.accounts.tenant_named(tenant)
        if found is None:
            raise PersonUnknown
        async with self.accounts.begin(found.id) as tx:
            person = await tx.assign_role(known_email, role)
        if person is None:
            raise PersonUnknown
        return person
