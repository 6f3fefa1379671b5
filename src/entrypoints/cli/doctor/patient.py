"""Two tenants of the doctor's own, with people and things in them that nobody will miss."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from adapters.identifiers import uuid7
from adapters.postgres.tenants import create_tenant
from application.accounts.ports import Account
from application.vault.add_document import DocumentDetails
from domain.accounts.email_address import email_address
from domain.accounts.person import Person, display_name
from domain.consent.grant import Grant
from domain.consent.terms import Terms
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
from domain.vault.document import Description, Document
from entrypoints.container import Container

TENANTS = ("doctor-1", "doctor-2")
PURPOSE = Purpose("service_provision")
CONTENT = b"Nothing in here is about anybody."


@dataclass(slots=True, kw_only=True)
class Patient:
    """Everything goes through the parts that serve requests, and through their database role."""

    container: Container
    tenants: tuple[TenantId, TenantId]
    _people: list[Caller] = field(default_factory=list)

    async def person(self, tenant_id: TenantId | None = None) -> Caller:
        """Somebody new, who cannot sign in: there is no such password hash."""
        tenant_id = tenant_id or self.tenants[0]
        person_id = PersonId(uuid7())
        async with self.container.accounts().begin(tenant_id) as tx:
            person = Person(
                id=person_id,
                email=email_address(f"{person_id}@doctor.invalid"),
                display_name=display_name("Somebody of the doctor's"),
                role=Role.MEMBER,
                created_at=await tx.now(),
            )
            await tx.add(Account(person=person, password_hash="-"))  # noqa: S106
        caller = Caller(tenant_id=tenant_id, person_id=person_id)
        self._people.append(caller)
        return caller

    async def document(self, owner: Caller) -> Document:
        async def content() -> AsyncIterator[bytes]:
            yield CONTENT

        async def details() -> DocumentDetails:
            return DocumentDetails(description=Description(title="The doctor's"))

        add = self.container.add_document()
        return await add(caller=owner, content=content(), details=details)

    async def share(
        self, owner: Caller, document: Document, to: Caller, *, max_uses: int | None = None
    ) -> Grant:
        give = self.container.give_grant()
        terms = self.terms(document, max_uses=max_uses)
        return await give(caller=owner, grantee=to.person_id, terms=terms)

    def terms(self, document: Document, *, max_uses: int | None = None) -> Terms:
        return Terms(
            resource=ResourceRef(kind=ResourceKind.DOCUMENT, id=document.id),
            actions=frozenset({Action.READ}),
            purpose=PURPOSE,
            expires_at=datetime.now(UTC) + timedelta(hours=1),
            max_uses=max_uses,
        )

    async def read(self, caller: Caller, document: Document) -> bytes:
        return await read_with(self.container, caller, document)

    async def discharge(self) -> None:
        """The people go, and all that was theirs; the tenants and their logs stay.

        It is tried once: where one cannot go, others cannot, and it may take long to find out."""
        people, self._people = self._people, []
        for caller in people:
            await self.container.person_erasure().erase(caller)


async def read_with(container: Container, caller: Caller, document: Document) -> bytes:
    content = await container.read_content()(
        caller=caller, document_id=document.id, purpose=PURPOSE
    )
    return b"".join([piece async for piece in content.read(0, content.length)])


@asynccontextmanager
async def admitted(container: Container) -> AsyncIterator[Patient]:
    first, second = [
        await create_tenant(container.database(), name=name, sign_up_open=False) for name in TENANTS
    ]
    patient = Patient(container=container, tenants=(first, second))
    try:
        yield patient
    finally:
        await patient.discharge()
