"""The parts of a deployment over a fresh embedded database, for what is measured below HTTP."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adapters.identifiers import uuid7
from adapters.postgres.embedded import embedded_database
from adapters.postgres.engine import Database
from adapters.postgres.migrate import migrate
from adapters.postgres.tenants import create_tenant
from application.accounts.ports import Account
from application.vault.add_document import DocumentDetails
from domain.accounts.email_address import email_address
from domain.accounts.person import Person, display_name
from domain.consent.terms import Terms
from domain.identity import (
    Action,
    Caller,
    PersonId,
    Purpose,
    ResourceKind,
    ResourceRef,
    Role,
)
from domain.vault.document import Description, Document
from entrypoints.container import Container
from entrypoints.key_services import opened_key_service
from entrypoints.settings import Settings

PURPOSE = Purpose("research")


@asynccontextmanager
async def fresh_deployment() -> AsyncIterator[Container]:
    with tempfile.TemporaryDirectory(prefix="strongroom-benchmark-") as scratch:
        settings = Settings(data_dir=Path(scratch) / "data")
        async with (
            embedded_database(Path(scratch) / "database") as url,
            opened_key_service(settings, create=True) as key_service,
        ):
            database = Database.at(url)
            await migrate(database)
            container = Container(settings=settings, database=database)
            container.key_service.override(key_service)
            try:
                yield container
            finally:
                for engine in (
                    container.engine,
                    container.run_engine,
                    container.sequencer_engine,
                    container.keykeeper_engine,
                ):
                    await engine().dispose()


async def two_people(container: Container) -> tuple[Caller, Caller]:
    asha, ben = await people(container, 2)
    return asha, ben


async def people(container: Container, count: int, *, tenant: str = "default") -> list[Caller]:
    """In a tenant of their own."""
    tenant_id = await create_tenant(container.database(), name=tenant, sign_up_open=True)
    made = []
    for number in range(count):
        person = PersonId(uuid7())
        async with container.accounts().begin(tenant_id) as tx:
            added = Person(
                id=person,
                email=email_address(f"{person}@example.org"),
                display_name=display_name(f"Person {number}"),
                role=Role.MEMBER,
                created_at=await tx.now(),
            )
            await tx.add(Account(person=added, password_hash="-"))
        made.append(Caller(tenant_id=tenant_id, person_id=person))
    return made


async def shared_document(container: Container, owner: Caller, grantee: Caller) -> Document:
    async def content() -> AsyncIterator[bytes]:
        yield b"The rent is 1,250 euros a month."

    async def details() -> DocumentDetails:
        return DocumentDetails(description=Description(title="Lease"))

    add = container.add_document()
    document = await add(caller=owner, content=content(), details=details)
    terms = Terms(
        resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=document.id),
        actions=frozenset({Action.READ}),
        purpose=PURPOSE,
        expires_at=datetime.now(UTC) + timedelta(days=1),
    )
    await container.give_grant()(caller=owner, grantee=grantee.person_id, terms=terms)
    return document
