"""Consents, their events and receipts, and grants."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from adapters.postgres.audit_events import AuditedResource, record_event
from adapters.postgres.consent_rows import json_of, record_of
from adapters.postgres.engine import transaction
from adapters.postgres.grant_rows import grant_of, row_of
from adapters.postgres.idempotency import claim
from adapters.postgres.tables import (
    audit_numbers,
    consent_events,
    consent_receipts,
    consents,
    documents,
    grants,
    notices,
    people,
    purposes,
)
from adapters.postgres.tombstones import ACCESS_REVOKED, tombstone_answers
from application.consent.ports import Party, Revocation
from application.ports import Idempotency, NewId
from domain.consent.grant import Grant
from domain.consent.record import ConsentEvent, ConsentRecord, ConsentState
from domain.identity import Caller, ConsentId, DocumentId, GrantId, PersonId, Purpose


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresConsents:
    """`Consents`."""

    engine: AsyncEngine
    new_id: NewId

    @asynccontextmanager
    async def begin(self, caller: Caller) -> AsyncIterator[PostgresConsentTransaction]:
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            yield PostgresConsentTransaction(
                connection=connection, caller=caller, new_id=self.new_id
            )

    async def grants(
        self, caller: Caller, *, given: bool, after: GrantId | None, limit: int
    ) -> Sequence[Grant]:
        side = grants.c.grantor_id if given else grants.c.grantee_id
        page = (
            select(grants)
            .where(grants.c.tenant_id == caller.tenant_id, side == caller.person_id)
            .order_by(grants.c.id)
            .limit(limit)
        )
        if after is not None:
            page = page.where(grants.c.id > after)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return [grant_of(row) for row in await connection.execute(page)]

    async def consents(
        self, caller: Caller, *, after: ConsentId | None, limit: int
    ) -> Sequence[tuple[ConsentRecord, Sequence[ConsentEvent]]]:
        page = _records(caller).order_by(consents.c.id).limit(limit)
        if after is not None:
            page = page.where(consents.c.id > after)
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            records = [record_of(row) for row in await connection.execute(page)]
            events = await _events_of(connection, caller, [each.record_id for each in records])
        return [(record, events[record.record_id]) for record in records]

    async def receipt(self, caller: Caller, consent_id: ConsentId) -> str | None:
        own = select(consent_receipts.c.receipt).where(
            consent_receipts.c.tenant_id == caller.tenant_id,
            consent_receipts.c.consent_id == consent_id,
            consent_receipts.c.party_id == caller.person_id,
        )
        async with transaction(self.engine, caller.tenant_id, caller.person_id) as connection:
            return (await connection.execute(own)).scalar_one_or_none()


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresConsentTransaction:
    """`ConsentTransaction` on one open transaction."""

    connection: AsyncConnection
    caller: Caller
    new_id: NewId

    async def now(self) -> datetime:
        at: datetime = (await self.connection.execute(select(func.clock_timestamp()))).scalar_one()
        return at

    async def claim(self, idempotency: Idempotency | None, grant_id: GrantId) -> GrantId:
        return GrantId(await claim(self.connection, self.caller, idempotency, grant_id))

    async def owner_of(self, document_id: DocumentId) -> PersonId | None:
        owner = select(documents.c.owner_id).where(
            documents.c.tenant_id == self.caller.tenant_id, documents.c.id == document_id
        )
        found: PersonId | None = (await self.connection.execute(owner)).scalar_one_or_none()
        return found

    async def party(self, named: str | PersonId) -> Party | None:
        if isinstance(named, UUID):
            which = people.c.id == named
        else:
            which = people.c.email == named.strip().lower()
        person = select(people.c.id, people.c.display_name).where(
            people.c.tenant_id == self.caller.tenant_id, which
        )
        row = (await self.connection.execute(person)).one_or_none()
        return row and Party(person_id=PersonId(row.id), display_name=row.display_name)

    async def purpose_title(self, purpose: Purpose) -> str | None:
        title = select(purposes.c.title).where(
            purposes.c.tenant_id == self.caller.tenant_id, purposes.c.code == purpose
        )
        found: str | None = (await self.connection.execute(title)).scalar_one_or_none()
        return found

    async def keep(
        self,
        record: ConsentRecord,
        event: ConsentEvent,
        grant: Grant,
        receipts: Mapping[PersonId, str],
    ) -> None:
        tenant = {"tenant_id": self.caller.tenant_id}
        notice = record.notice
        notice_hash = hashlib.sha256(f"{notice.language}\n{notice.body}".encode()).digest()
        shown = {"hash": notice_hash, "language": notice.language, "body": notice.body}
        await self.connection.execute(
            upsert(notices).values(**tenant, **shown).on_conflict_do_nothing()
        )
        await self.connection.execute(
            insert(consents).values(
                **tenant,
                id=record.record_id,
                pii_principal_id=record.pii_principal_id,
                recipient_id=record.recipient_id,
                notice_hash=notice_hash,
                record=json_of(record),
                created_at=record.created_at,
            )
        )
        await self._append(record.record_id, event)
        await self.connection.execute(insert(grants).values(**tenant, **row_of(grant)))
        for party, receipt in receipts.items():
            await self.connection.execute(
                insert(consent_receipts).values(
                    **tenant,
                    consent_id=record.record_id,
                    party_id=party,
                    id=self.new_id(),
                    receipt=receipt,
                    issued_at=record.created_at,
                )
            )
        await self._record("grant_given", event.event_time, [grant], record.record_id)

    async def grant(self, grant_id: GrantId) -> Grant | None:
        sides = or_(
            grants.c.grantor_id == self.caller.person_id,
            grants.c.grantee_id == self.caller.person_id,
        )
        one = select(grants).where(
            grants.c.tenant_id == self.caller.tenant_id, grants.c.id == grant_id, sides
        )
        row = (await self.connection.execute(one)).one_or_none()
        return None if row is None else grant_of(row)

    async def consent(self, consent_id: ConsentId) -> ConsentRecord | None:
        one = _records(self.caller).where(consents.c.id == consent_id)
        row = (await self.connection.execute(one)).one_or_none()
        return None if row is None else record_of(row)

    async def events(self, consent_id: ConsentId, *, lock: bool = False) -> Sequence[ConsentEvent]:
        if lock:
            await self._lock(consent_id)
        return (await _events_of(self.connection, self.caller, [consent_id]))[consent_id]

    async def end(self, consent_id: ConsentId, event: ConsentEvent) -> Revocation:
        await self._append(consent_id, event)
        ended = await self._close_grants(consent_id, event.event_time)
        back = await tombstone_answers(
            self.connection,
            self.caller.tenant_id,
            reason=ACCESS_REVOKED,
            grants=[grant.id for grant in ended],
        )
        await self._record(event.event_type, event.event_time, ended, consent_id)
        return Revocation(
            grants=ended,
            runs_stopped=back.runs_stopped,
            answers_hidden=back.answers_hidden,
            last_release_numbers=await self._last_numbers(ended),
        )

    async def _append(self, consent_id: ConsentId, event: ConsentEvent) -> None:
        await self.connection.execute(
            insert(consent_events).values(
                tenant_id=self.caller.tenant_id,
                consent_id=consent_id,
                seq=event.seq,
                event_type=event.event_type,
                event_state=event.event_state,
                entity_id=event.entity_id,
                event_time=event.event_time,
            )
        )

    async def _lock(self, consent_id: ConsentId) -> None:
        """Wait for whoever appends now, and for readers in flight, who hold the grants FOR SHARE.

        Only then is it time to look at the clock: what they release is older than what follows.
        """
        key = f"consent:{consent_id}"
        await self.connection.execute(
            text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 0))"), {"key": key}
        )
        await self.connection.execute(
            select(grants.c.id)
            .where(grants.c.tenant_id == self.caller.tenant_id, grants.c.consent_id == consent_id)
            .order_by(grants.c.id)
            .with_for_update()
        )

    async def _close_grants(self, consent_id: ConsentId, at: datetime) -> list[Grant]:
        closed = await self.connection.execute(
            update(grants)
            .where(
                grants.c.tenant_id == self.caller.tenant_id,
                grants.c.consent_id == consent_id,
                grants.c.revoked_at.is_(None),
            )
            .values(revoked_at=at, epoch=grants.c.epoch + 1)
            .returning(*grants.c)
        )
        return [grant_of(row) for row in closed]

    async def _last_numbers(self, ended: Sequence[Grant]) -> Mapping[DocumentId, int]:
        last = (
            select(audit_numbers.c.document_id, func.max(audit_numbers.c.release_seq))
            .where(
                audit_numbers.c.tenant_id == self.caller.tenant_id,
                audit_numbers.c.document_id.in_({grant.document_id for grant in ended}),
            )
            .group_by(audit_numbers.c.document_id)
        )
        rows = (await self.connection.execute(last)).all()
        return {DocumentId(document): number for document, number in rows}

    async def _record(
        self, event_type: str, at: datetime, about: Sequence[Grant], consent_id: ConsentId
    ) -> None:
        await record_event(
            self.connection,
            self.caller,
            event_id=self.new_id(),
            type=event_type,
            at=at,
            purpose=about[0].purpose if about else None,
            resources=[
                AuditedResource(document_id=grant.document_id, version=0, grant=grant)
                for grant in {grant.document_id: grant for grant in about}.values()
            ],
            body={"consent_id": str(consent_id), "grants": [str(grant.id) for grant in about]},
        )


def _records(caller: Caller) -> Select[Any]:
    """Consents that the caller is a side of, with the notice as it was shown."""
    return (
        select(consents.c.record, consents.c.created_at, notices.c.language, notices.c.body)
        .join(
            notices,
            (notices.c.tenant_id == consents.c.tenant_id)
            & (notices.c.hash == consents.c.notice_hash),
        )
        .where(
            consents.c.tenant_id == caller.tenant_id,
            or_(
                consents.c.pii_principal_id == caller.person_id,
                consents.c.recipient_id == caller.person_id,
            ),
        )
    )


async def _events_of(
    connection: AsyncConnection, caller: Caller, ids: Sequence[ConsentId]
) -> Mapping[ConsentId, Sequence[ConsentEvent]]:
    in_order = (
        select(consent_events)
        .where(consent_events.c.tenant_id == caller.tenant_id, consent_events.c.consent_id.in_(ids))
        .order_by(consent_events.c.consent_id, consent_events.c.seq)
    )
    found: dict[ConsentId, list[ConsentEvent]] = defaultdict(list)
    for row in await connection.execute(in_order):
        event = ConsentEvent(
            seq=row.seq,
            event_type=row.event_type,
            event_state=ConsentState(row.event_state),
            entity_id=PersonId(row.entity_id),
            event_time=row.event_time,
        )
        found[ConsentId(row.consent_id)].append(event)
    return found
