"""Tenants and the people who have an account in them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.engine import present_time, transaction, translated_outages
from adapters.postgres.tables import people, tenants, totp
from application.accounts.ports import Account, Tenant
from domain.accounts.email_address import EmailAddress
from domain.accounts.person import DisplayName, EmailTaken, Person
from domain.identity import Caller, PersonId, Role, TenantId

_NEEDS_TOTP = exists().where(
    totp.c.tenant_id == people.c.tenant_id,
    totp.c.person_id == people.c.id,
    totp.c.confirmed_at.is_not(None),
)
_TENANT_NAMED = text("SELECT tenant_id, sign_up_open FROM tenant_named(:name)")


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAccounts:
    """`Accounts`."""

    engine: AsyncEngine

    @asynccontextmanager
    async def begin(self, tenant_id: TenantId) -> AsyncIterator[PostgresAccountsTransaction]:
        async with transaction(self.engine, tenant_id) as connection:
            yield PostgresAccountsTransaction(connection=connection, tenant_id=tenant_id)

    async def tenant_named(self, name: str) -> Tenant | None:
        with translated_outages():
            async with self.engine.begin() as connection:
                found = await connection.execute(_TENANT_NAMED, {"name": name})
                row = found.one_or_none()
        if row is None:
            return None
        return Tenant(id=TenantId(row.tenant_id), name=name, sign_up_open=row.sign_up_open)

    async def own(self, caller: Caller) -> tuple[Person, Tenant] | None:
        one = (
            select(
                people.c.id,
                people.c.email,
                people.c.display_name,
                people.c.role,
                people.c.created_at,
                tenants.c.tenant_id,
                tenants.c.name,
                tenants.c.sign_up_open,
            )
            .join(tenants, tenants.c.tenant_id == people.c.tenant_id)
            .where(
                people.c.tenant_id == caller.tenant_id,
                people.c.id == caller.person_id,
                people.c.erased_at.is_(None),
            )
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            row = (await connection.execute(one)).one_or_none()
        if row is None:
            return None
        tenant_id = TenantId(row.tenant_id)
        tenant = Tenant(id=tenant_id, name=row.name, sign_up_open=row.sign_up_open)
        return _person_of(row), tenant


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresAccountsTransaction:
    """`AccountsTransaction` on one open transaction."""

    connection: AsyncConnection
    tenant_id: TenantId

    async def now(self) -> datetime:
        return await present_time(self.connection)

    async def add(self, account: Account) -> None:
        person = account.person
        added = await self.connection.execute(
            upsert(people)
            .values(
                tenant_id=self.tenant_id,
                id=person.id,
                email=person.email,
                display_name=person.display_name,
                password_hash=account.password_hash,
                role=person.role,
                created_at=person.created_at,
            )
            .on_conflict_do_nothing(constraint="people_email_key")
        )
        if added.rowcount == 0:
            raise EmailTaken(field="/email")

    async def find(self, email: EmailAddress) -> Account | None:
        one = select(
            people.c.id,
            people.c.email,
            people.c.display_name,
            people.c.role,
            people.c.created_at,
            people.c.password_hash,
            _NEEDS_TOTP.label("needs_totp"),
        ).where(people.c.tenant_id == self.tenant_id, people.c.email == email)
        row = (await self.connection.execute(one)).one_or_none()
        if row is None:
            return None
        return Account(
            person=_person_of(row), password_hash=row.password_hash, needs_totp=row.needs_totp
        )

    async def replace_hash(self, account: Account, password_hash: str) -> None:
        await self.connection.execute(
            update(people)
            .where(
                people.c.tenant_id == self.tenant_id,
                people.c.id == account.person.id,
                people.c.password_hash == account.password_hash,
            )
            .values(password_hash=password_hash)
        )

    async def assign_role(self, email: EmailAddress, role: Role) -> Person | None:
        assigned = await self.connection.execute(
            update(people)
            .where(people.c.tenant_id == self.tenant_id, people.c.email == email)
            .values(role=role)
            .returning(
                people.c.id,
                people.c.email,
                people.c.display_name,
                people.c.role,
                people.c.created_at,
            )
        )
        row = assigned.one_or_none()
        return None if row is None else _person_of(row)


def _person_of(row: Any) -> Person:
    return Person(
        id=PersonId(row.id),
        email=EmailAddress(row.email),
        display_name=DisplayName(row.display_name),
        role=Role(row.role),
        created_at=row.created_at,
    )
