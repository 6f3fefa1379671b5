"""One transaction over consents and grants."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, and_, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from adapters.postgres.consent_ending import end_consent, lock_consent, revocation_of
from adapters.postgres.consent_events import append_event, record_consent_event
from adapters.postgres.consent_queries import events_of, records_of
from adapters.postgres.consent_rows import record_of
from adapters.postgres.engine import present_time, violated
from adapters.postgres.evidence import Sealing
from adapters.postgres.grant_rows import grant_of, row_of
from adapters.postgres.idempotency import claim, is_claimed
from adapters.postgres.links import link_of, links_of
from adapters.postgres.service_clients import IN_FORCE
from adapters.postgres.tables import (
    collection_items,
    collections,
    consent_receipts,
    consents,
    documents,
    grant_tokens,
    grants,
    notices,
    people,
    purposes,
    schema_versions,
    share_links,
    versions,
)
from adapters.postgres.withdrawal_policies import withdrawal_policy
from application.consent.ports import Party, Revocation, SharedResource
from application.ports import Idempotency, NewId
from domain.consent.grant import Grant, GrantWiderThanParent
from domain.consent.link import ShareLink
from domain.consent.purpose import RegisteredPurpose
from domain.consent.receipt import record_claims
from domain.consent.record import ConsentEvent, ConsentRecord
from domain.consent.terms import Terms
from domain.consent.withdrawal_policy import WithdrawalPolicy
from domain.identity import (
    Acr,
    Caller,
    ConsentId,
    GrantId,
    PersonId,
    Purpose,
    ResourceKind,
    ResourceRef,
    Role,
)
from domain.json_pointer import WHOLE, Pointers
from domain.vault.schema_marks import sensitive_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresConsentTransaction:
    """`ConsentTransaction` on one open transaction."""

    connection: AsyncConnection
    caller: Caller
    sealing: Sealing
    new_id: NewId

    async def now(self) -> datetime:
        return await present_time(self.connection)

    async def claim(self, idempotency: Idempotency | None, resource: UUID) -> UUID:
        return await claim(self.connection, self.caller, idempotency, resource)

    async def is_claimed(self, idempotency: Idempotency) -> bool:
        return await is_claimed(self.connection, self.caller, idempotency)

    async def resource(self, resource: ResourceRef) -> SharedResource | None:
        if resource.kind is ResourceKind.COLLECTION:
            return await self._collection(resource.id)
        wanted = (documents.c.owner_id, documents.c.index_mode, documents.c.approval_acr)
        document = select(*wanted).where(
            documents.c.tenant_id == self.caller.tenant_id,
            documents.c.id == resource.id,
            documents.c.kind == resource.kind,
        )
        # Held, so that an erasure finds whatever is granted on it, before grants as everywhere.
        held = document.with_for_update(key_share=True, read=True)
        row = (await self.connection.execute(held)).one_or_none()
        return row and SharedResource(
            owner_id=PersonId(row.owner_id),
            index_mode=row.index_mode,
            approval_acr=Acr(row.approval_acr),
        )

    async def party(self, named: str | PersonId) -> Party | None:
        if isinstance(named, UUID):
            which = people.c.id == named
        else:
            which = people.c.email == named.strip().lower()
        # Links and agents share onward, and are given nothing but what they were made for; a client
        # that is over is given nothing any more.
        usable = or_(
            people.c.kind == "person",
            and_(people.c.kind == "client", IN_FORCE),
            people.c.id == self.caller.person_id,
        )
        person = select(people.c.id, people.c.display_name).where(
            people.c.tenant_id == self.caller.tenant_id,
            people.c.erased_at.is_(None),
            usable,
            which,
        )
        row = (await self.connection.execute(person)).one_or_none()
        return row and Party(person_id=PersonId(row.id), display_name=row.display_name)

    async def add_grantee(self, person_id: PersonId, *, kind: str, name: str) -> Party:
        party = Party(person_id=person_id, display_name=name)
        await self.connection.execute(
            insert(people).values(
                tenant_id=self.caller.tenant_id,
                id=person_id,
                email=f"{person_id}@{kind}.invalid",  # no address: RFC 2606
                display_name=party.display_name,
                password_hash="-",  # noqa: S106 - none that a password could have
                role=Role.MEMBER,
                kind=kind,
            )
        )
        return party

    async def link(self, link_id: PersonId) -> tuple[ShareLink, str | None] | None:
        one = links_of(self.caller).where(share_links.c.id == link_id)
        row = (await self.connection.execute(one)).one_or_none()
        return None if row is None else (link_of(row), row.l_pass_code_hash)

    async def keep_link(
        self, link: ShareLink, *, token_hash: bytes, pass_code_hash: str | None, attempts: int
    ) -> None:
        await self.connection.execute(
            insert(share_links).values(
                tenant_id=self.caller.tenant_id,
                id=link.id,
                grant_id=link.grant.id,
                creator_id=link.creator_id,
                token_hash=token_hash,
                pass_code_hash=pass_code_hash,
                redemptions_max=link.redemptions_max,
                redemptions_left=link.redemptions_left,
                attempts_left=attempts,
            )
        )

    async def keep_token(self, grant: Grant, token_hash: bytes) -> None:
        await self.connection.execute(
            insert(grant_tokens).values(
                tenant_id=self.caller.tenant_id,
                token_hash=token_hash,
                grant_id=grant.id,
                person_id=grant.grantee_id,
                expires_at=grant.expires_at,
            )
        )

    async def purpose(self, code: Purpose) -> RegisteredPurpose | None:
        one = select(purposes.c.title, purposes.c.dpv_term).where(
            purposes.c.tenant_id == self.caller.tenant_id, purposes.c.code == code
        )
        row = (await self.connection.execute(one)).one_or_none()
        return row and RegisteredPurpose(code=code, title=row.title, dpv_term=row.dpv_term)

    async def withdrawal_policy(self) -> WithdrawalPolicy:
        return await withdrawal_policy(self.connection, self.caller.tenant_id, lock=True)

    async def sensitive_fields(self, terms: Terms) -> Pointers:
        if terms.resource.kind is not ResourceKind.RECORD:
            return frozenset()
        of_it = (
            select(schema_versions.c.body)
            .distinct()
            .join(
                versions,
                (versions.c.tenant_id == schema_versions.c.tenant_id)
                & (versions.c.schema_name == schema_versions.c.name)
                & (versions.c.schema_version == schema_versions.c.version),
            )
            .where(
                versions.c.tenant_id == self.caller.tenant_id,
                versions.c.document_id == terms.resource.id,
            )
        )
        if terms.versions is not None:
            of_it = of_it.where(versions.c.version.in_(terms.versions))
        fields = frozenset({WHOLE}) if terms.fields is None else terms.fields
        bodies = (await self.connection.execute(of_it)).scalars()
        return frozenset().union(*(sensitive_fields(json.loads(each), fields) for each in bodies))

    async def keep(
        self,
        record: ConsentRecord,
        event: ConsentEvent,
        grant: Grant | None,
        receipts: Mapping[PersonId, str],
    ) -> None:
        tenant = {"tenant_id": self.caller.tenant_id}
        notice = record.notice
        shown = {"hash": notice.hash, "language": notice.language, "body": notice.body}
        await self.connection.execute(
            upsert(notices).values(**tenant, **shown).on_conflict_do_nothing()
        )
        await self.connection.execute(
            insert(consents).values(
                **tenant,
                id=record.record_id,
                parent_id=record.parent_id,
                pii_principal_id=record.pii_principal_id,
                recipient_id=record.recipient_id,
                notice_hash=notice.hash,
                record=record_claims(record),
                created_at=record.created_at,
            )
        )
        await self.append(record, event, grant, receipts)

    async def append(
        self,
        record: ConsentRecord,
        event: ConsentEvent,
        grant: Grant | None,
        receipts: Mapping[PersonId, str],
    ) -> None:
        await append_event(self.connection, self.caller, record.record_id, event)
        if grant is not None:
            with _translated():
                await self.connection.execute(
                    insert(grants).values(tenant_id=self.caller.tenant_id, **row_of(grant))
                )
        for party, receipt in receipts.items():
            await self.connection.execute(
                insert(consent_receipts).values(
                    tenant_id=self.caller.tenant_id,
                    consent_id=record.record_id,
                    party_id=party,
                    id=self.new_id(),
                    receipt=receipt,
                    issued_at=event.event_time,
                )
            )
        await record_consent_event(
            self.connection,
            self.caller,
            self.sealing,
            self.new_id(),
            record.record_id,
            event,
            [] if grant is None else [grant],
        )

    async def grant(self, grant_id: GrantId) -> Grant | None:
        return await self._grant(grants.c.id == grant_id)

    async def grant_of(self, consent_id: ConsentId) -> Grant | None:
        return await self._grant(grants.c.consent_id == consent_id)

    async def consent(self, consent_id: ConsentId) -> ConsentRecord | None:
        one = records_of(self.caller).where(consents.c.id == consent_id)
        row = (await self.connection.execute(one)).one_or_none()
        return None if row is None else record_of(row)

    async def events(self, consent_id: ConsentId, *, lock: bool = False) -> Sequence[ConsentEvent]:
        if lock:
            await lock_consent(self.connection, self.caller, consent_id)
        return (await events_of(self.connection, self.caller, [consent_id]))[consent_id]

    async def end(
        self, consent_id: ConsentId, event: ConsentEvent, *, policy_applies: bool = True
    ) -> Revocation:
        return await end_consent(
            self.connection,
            self.caller,
            self.sealing,
            self.new_id,
            consent_id,
            event,
            policy_applies=policy_applies,
        )

    async def revocation(self, consent_id: ConsentId) -> Revocation | None:
        return await revocation_of(self.connection, self.caller, consent_id)

    async def receipt(self, consent_id: ConsentId, at: datetime) -> str | None:
        newest = (
            select(consent_receipts.c.receipt)
            .where(
                consent_receipts.c.tenant_id == self.caller.tenant_id,
                consent_receipts.c.consent_id == consent_id,
                consent_receipts.c.party_id == self.caller.person_id,
                consent_receipts.c.issued_at == at,
            )
            .order_by(consent_receipts.c.id.desc())
            .limit(1)
        )
        return (await self.connection.execute(newest)).scalar_one_or_none()

    async def _collection(self, collection_id: UUID) -> SharedResource | None:
        demanding = (
            select(documents.c.id)
            .join(
                collection_items,
                (collection_items.c.tenant_id == documents.c.tenant_id)
                & (collection_items.c.document_id == documents.c.id),
            )
            .where(
                documents.c.tenant_id == self.caller.tenant_id,
                collection_items.c.collection_id == collection_id,
                documents.c.approval_acr == Acr.MFA,
            )
        )
        one = select(collections.c.owner_id, demanding.exists().label("is_demanding")).where(
            collections.c.tenant_id == self.caller.tenant_id, collections.c.id == collection_id
        )
        # Held, so that nothing that demands more is put in while access is being given.
        held = one.with_for_update(read=True, of=collections)
        row: Any = (await self.connection.execute(held)).one_or_none()
        return row and SharedResource(
            owner_id=PersonId(row.owner_id),
            index_mode=None,
            approval_acr=Acr.MFA if row.is_demanding else Acr.PASSWORD,
        )

    async def _grant(self, which: ColumnElement[bool]) -> Grant | None:
        person = self.caller.person_id
        sides = or_(
            grants.c.owner_id == person,
            grants.c.grantor_id == person,
            grants.c.grantee_id == person,
        )
        newest = (
            select(grants)
            .where(grants.c.tenant_id == self.caller.tenant_id, which, sides)
            .order_by(grants.c.id.desc())
            .limit(1)
        )
        row = (await self.connection.execute(newest)).one_or_none()
        return None if row is None else grant_of(row)


@contextmanager
def _translated() -> Iterator[None]:
    """The database judges what is shared onward by what the parent is now."""
    try:
        yield
    except IntegrityError as error:
        if violated(error) == "grants_within_parent_check":
            raise GrantWiderThanParent(field="/parent_id") from error
        raise
